"""Direct, inverse, through USD, by sign, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.conversion import convert, convert_at_mid, currency_digits, symbols_between
from tests.rules.terms_for_tests import NEW_YORK, NOW, make_catalogue, make_market, make_quote, make_terms

D = Decimal
CATALOGUE = make_catalogue(make_terms("EURUSD"), make_terms("USDJPY"), make_terms("USDCHF"), make_terms("EURGBP"))
MARKET = make_market(
    make_quote("1.25", "1.28"),
    make_quote("125", "160", "USDJPY"),
    make_quote("0.80", "1.00", "USDCHF"),
    make_quote("0.5", "0.8", "EURGBP"),
)


@pytest.mark.parametrize(
    ("amount", "source", "target", "expected", "at_mid"),
    [
        ("100", "USD", "USD", "100", "100"),
        ("100", "EUR", "USD", "125", "126.5"),  # sold at the bid
        ("-100", "EUR", "USD", "-128", "-126.5"),  # bought at the ask
        ("16000", "JPY", "USD", "100", None),  # a gain / ask
        ("-16000", "JPY", "USD", "-128", None),  # a loss / bid
        ("28500", "JPY", "USD", "178.125", "200"),
        ("100", "EUR", "GBP", "50", "65"),
        ("1600", "JPY", "CHF", "8", None),  # / 160, x 0.80
        ("-1600", "JPY", "CHF", "-12.8", None),  # / 125, x 1.00
        ("100", "CHF", "JPY", "12500", None),  # / 1.00, x 125
        ("57", "CHF", "JPY", None, "9025"),  # / 0.90, x 142.5
        ("0", "JPY", "CHF", "0", "0"),
    ],
)
def test_a_gain_is_sold_and_a_loss_is_bought(amount, source, target, expected, at_mid):
    if expected is not None:
        assert convert(D(amount), source, target, CATALOGUE, MARKET) == D(expected)
    if at_mid is not None:
        assert round(convert_at_mid(D(amount), source, target, CATALOGUE, MARKET), 20) == D(at_mid)


@pytest.mark.parametrize(
    ("source", "target", "symbols"),
    [
        ("USD", "USD", set()),
        ("PLN", "PLN", set()),
        ("EUR", "USD", {"EURUSD"}),
        ("USD", "EUR", {"EURUSD"}),
        ("GBP", "EUR", {"EURGBP"}),
        ("JPY", "CHF", {"USDJPY", "USDCHF"}),
        ("GBP", "JPY", None),  # only EUR knows GBP, and the way leads through USD alone
        ("USD", "PLN", None),
        ("PLN", "CHF", None),
    ],
)
def test_the_way_between_two_currencies(source, target, symbols):
    assert symbols_between(source, target, CATALOGUE.pairs) == symbols


@pytest.mark.parametrize("amount", ["1", "-1", "0"])
@pytest.mark.parametrize("change", [convert, convert_at_mid])
def test_a_missing_path_is_refused_and_never_the_number_one(change, amount):
    refused = change(D(amount), "JPY", "PLN", CATALOGUE, MARKET)
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.conversion_rate_unavailable


@pytest.mark.parametrize("quotes", [[], [make_quote("150", "149", "USDJPY")], [make_quote("0", "150", "USDJPY")]])
def test_a_missing_or_unsound_rate_is_refused(quotes):
    refused = convert(D(5), "JPY", "USD", CATALOGUE, make_market(*quotes))
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.conversion_rate_unavailable


def test_the_last_rate_of_a_closed_session_is_good_and_an_old_one_of_an_open_session_is_not():
    catalogue = make_catalogue(make_terms("USDJPY", hours=NEW_YORK))
    friday, saturday = 1_768_600_000_000, 1_768_651_200_000  # 2026-01-16 21:46 and 2026-01-17 12:00, UTC
    last = make_quote("150", symbol="USDJPY", stamp_ms=friday)
    assert convert(D(300), "JPY", "USD", catalogue, make_market(last, now_ms=saturday)) == 2
    assert convert(D(300), "JPY", "USD", catalogue, make_market(last, now_ms=friday + 10_000)) == 2
    refused = convert(D(300), "JPY", "USD", catalogue, make_market(last, now_ms=friday + 10_001))
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.conversion_rate_unavailable


def test_a_pair_without_an_age_limit_is_a_broken_catalogue():
    catalogue = make_catalogue(make_terms("USDJPY"), price_age_ms={})
    with pytest.raises(InvariantBroken, match="USDJPY"):
        convert(D(1), "JPY", "USD", catalogue, make_market(make_quote("150", symbol="USDJPY", stamp_ms=NOW)))


@given(amount=st.decimals(0, 10**9, places=2), way=st.sampled_from(["EURUSD", "JPYUSD", "JPYCHF", "CHFJPY", "GBPEUR"]))
def test_there_and_back_never_makes_money(amount, way):
    source, target = way[:3], way[3:]
    loss = convert(-amount, source, target, CATALOGUE, MARKET)
    gain = convert(amount, source, target, CATALOGUE, MARKET)
    assert gain + loss <= 0


def test_digits_of_an_unknown_currency_are_a_broken_invariant():
    assert currency_digits(CATALOGUE, "JPY") == 0
    with pytest.raises(InvariantBroken, match="XXX"):
        currency_digits(CATALOGUE, "XXX")
