"""Commission by kind, timing and currency."""

from decimal import Decimal

import pytest

from accounts.terms import Commission
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.commission import entry_commission, exit_commission
from tests.rules.terms_for_tests import make_catalogue, make_market, make_quote, make_terms

D = Decimal
CATALOGUE = make_catalogue(make_terms("USDJPY"))
MARKET = make_market(make_quote("150", "151", "USDJPY"))


def both_ways(commission, lots="0.5", price="1.1003", profit="USD", account="USD", market=MARKET):
    rest = (D(lots), D(price), D(100_000), profit, account, CATALOGUE, market)
    return entry_commission(commission, *rest), exit_commission(commission, *rest)


@pytest.mark.parametrize(
    ("kind", "rate", "timing", "expected"),
    [
        ("per_lot", "7", "both", ("3.50", "3.50")),
        ("per_lot", "7", "entry", ("3.50", "0")),
        ("per_lot", "7", "exit", ("0", "3.50")),
        ("per_lot", "7.01", "both", ("3.51", "3.51")),  # 3.505, half up
        ("per_lot", "0", "both", ("0", "0")),
        ("percent", "0.01", "both", ("5.50", "5.50")),
        ("percent", "0.01", "entry", ("5.50", "0")),
        ("percent", "0.01", "exit", ("0", "5.50")),
    ],
)
def test_commission_by_kind_and_timing(kind, rate, timing, expected):
    assert both_ways(Commission(kind, D(rate), timing)) == tuple(D(each) for each in expected)


def test_percent_of_a_foreign_notional_is_bought_as_a_loss_is():
    commission = Commission("percent", D("0.01"), "both")
    # 15,000,000 JPY of notional, 1,500 JPY of commission, bought at the bid of USDJPY.
    assert both_ways(commission, "1", "150", "JPY") == (D("10.00"), D("10.00"))


def test_a_rate_per_lot_is_in_account_currency_whatever_is_traded():
    assert both_ways(Commission("per_lot", D("2.5"), "entry"), "1", "150", "JPY", "JPY", make_market()) == (D(3), D(0))


def test_percent_without_a_rate_is_refused_where_it_is_charged():
    entry, exit_ = both_ways(Commission("percent", D("0.01"), "entry"), profit="JPY", market=make_market())
    assert isinstance(entry, Rejection)
    assert entry.reason is Reason.conversion_rate_unavailable
    assert exit_ == 0
