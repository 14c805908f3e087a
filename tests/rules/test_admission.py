"""Who may ask for what, in which size, and with which margin behind it."""

from dataclasses import replace
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.terms import Commission, HedgingMode
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.admission import admit, check_leverage, check_lots, check_rest, check_status
from orders.rules.commission import entry_commission
from orders.rules.facts import Exposure, Portfolio, Valuation
from orders.rules.margin import order_margin, used_margin
from orders.rules.pricing import opening_price
from orders.rules.valuation import value
from tests.rules.terms_for_tests import make_catalogue, make_group, make_market, make_quote, make_terms

D = Decimal


@pytest.mark.parametrize(
    ("status", "opening", "otherwise"),
    [
        ("active", None, None),
        ("close_only", Reason.account_close_only, None),
        ("read_only", Reason.account_read_only, Reason.account_read_only),
        ("disabled", Reason.account_disabled, Reason.account_disabled),
    ],
)
def test_status_binds_the_owner_and_never_staff(status, opening, otherwise):
    for asked, expected in ((True, opening), (False, otherwise)):
        refused = check_status(status, asked, staff=False)
        assert (refused and refused.reason) == expected
        assert check_status(status, asked, staff=True) is None


def test_an_unknown_status_is_a_broken_invariant():
    with pytest.raises(InvariantBroken, match="sleeping"):
        check_status("sleeping", opening=False, staff=True)


@pytest.mark.parametrize(("leverage", "good"), [(0, False), (1, True), (5000, True), (5001, False), (-1, False)])
def test_leverage(leverage, good):
    refused = check_leverage(leverage)
    assert (refused is None) is good
    assert refused is None or refused.reason is Reason.invalid_leverage


@pytest.mark.parametrize(
    ("lots", "good"),
    [
        ("0.1", True), ("0.3", True), ("50", True), ("0", False), ("-0.1", False), ("0.05", False),
        ("0.15", False), ("50.1", False), ("0.10", True), ("1E+1", True),
    ],
)  # fmt: skip
def test_lots(lots, good):
    refused = check_lots(make_terms(lot_min="0.1", lot_max="50", lot_step="0.1"), D(lots))
    assert (refused is None) is good
    assert refused is None or (refused.reason, refused.facts) == (
        Reason.invalid_order_quantity,
        {"lot_min": "0.1", "lot_max": "50", "lot_step": "0.1"},
    )


def test_steps_count_from_zero_and_not_from_the_minimum():
    terms = make_terms(lot_min="0.05", lot_step="0.1")
    assert check_lots(terms, D("0.15")) is not None
    assert check_lots(terms, D("0.2")) is None


@pytest.mark.parametrize(
    ("open_lots", "closing", "good"),
    [
        ("1", "1", True),
        ("1", "0.5", True),
        ("1", "0.8", True),
        ("1", "0.9", False),  # leaves 0.1, below the minimum
        ("1", "0.1", True),  # the part itself may be below it
        ("1", "0.05", False),
        ("1", "1.1", False),
        ("1", "0", False),
        ("1", "-0.5", False),
        ("0.15", "0.15", True),  # opened on an older step: all of it may always go
        ("0", "0", False),
    ],
)
def test_the_rest_of_a_close_is_zero_or_an_order_of_its_own_right(open_lots, closing, good):
    refused = check_rest(make_terms(lot_min="0.2", lot_step="0.1"), D(open_lots), D(closing))
    assert (refused is None) is good
    if refused:
        assert refused.reason is Reason.invalid_order_quantity
        assert refused.facts == {"lot_min": "0.2", "lot_step": "0.1", "open_quantity": open_lots}
        assert f"at most {open_lots} lots" in refused.fields["order_quantity"]


def test_the_largest_order_may_be_closed_whole():
    assert check_rest(make_terms(lot_max="1"), D(5), D(5)) is None


def measured(free):
    return Valuation(D(0), D(0), D(0), D(0), D(free), None)


def test_admission_names_what_is_required_and_what_is_there():
    assert admit(measured("100"), measured("0")) is None
    refused = admit(measured("100.50"), measured("-0.01"))
    assert refused
    assert (refused.reason, refused.facts) == (
        Reason.insufficient_margin,
        {"required": "100.51", "available": "100.5"},
    )


COSTLY = make_terms(commission=Commission("per_lot", D("3.5"), "both"), hedged_size="50000")
CATALOGUE = make_catalogue(COSTLY)
MARKET = make_market(make_quote("1.1000", "1.1002"))


def opened(portfolio, side, lots, leverage, mode):
    """The portfolio after a market order, whether it can be carried or not."""
    price = opening_price(COSTLY, MARKET.quotes["EURUSD"], side)
    margin = order_margin(COSTLY, leverage, lots, price, "USD", CATALOGUE, MARKET)
    charged = entry_commission(COSTLY.commission, lots, price, D(100_000), "USD", "USD", CATALOGUE, MARKET)
    assert not isinstance(margin, Rejection)
    assert not isinstance(charged, Rejection)
    exposures = {"EURUSD": portfolio.exposures.get("EURUSD", Exposure()).moved(side, lots, lots * price, margin)}
    used = used_margin(exposures, mode, {"EURUSD": COSTLY}, 2)
    return replace(portfolio, balance=portfolio.balance - charged, used_margin=used, exposures=exposures)


@given(
    balance=st.decimals(0, 20_000, places=2),
    mode=st.sampled_from(get_args(HedgingMode)),
    leverage=st.sampled_from([1, 30, 100, 500]),
    asked=st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 500)), max_size=8),
)
def test_admitting_never_leaves_free_margin_negative(balance, mode, leverage, asked):
    portfolio, terms = Portfolio(1, "", balance), {"EURUSD": COSTLY}
    for side, steps in asked:
        lots = D(steps) / 100
        after = opened(portfolio, side, lots, leverage, mode)
        values = [value(each, make_group(), "USD", terms, CATALOGUE, MARKET) for each in (portfolio, after)]
        refused = admit(*values)
        # 40 points x 1 dollar of floating loss a lot, on each of the legs.
        lots_open = sum(order.long_lots + order.short_lots for order in after.exposures.values())
        free = after.balance - 40 * lots_open - after.used_margin
        assert (refused is None) is (free >= 0)
        if refused:
            assert D(refused.facts["required"]) > D(refused.facts["available"])
        else:
            portfolio = after
