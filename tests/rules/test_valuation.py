"""What an account is worth, what that takes to know, and what may be taken out."""

from dataclasses import replace
from decimal import Decimal

import pytest

from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import Exposure, Portfolio, Valuation
from orders.rules.halts import Halt, check_halts
from orders.rules.margin_call import is_margin_call
from orders.rules.valuation import check_held_quotes, quotes_needed, value, withdrawable
from tests.rules.terms_for_tests import NEVER, NOW, make_catalogue, make_group, make_market, make_quote, make_terms

D = Decimal
TERMS = {symbol: make_terms(symbol) for symbol in ("EURUSD", "USDJPY", "EURGBP", "EURJPY")}
CATALOGUE = make_catalogue(*TERMS.values())
PORTFOLIO = Portfolio(
    1, "", balance=D(1000), credit=D(200), used_margin=D("550.15"), reserved_margin=D(100),
    exposures={"EURUSD": Exposure(long_lots=D("0.5"), long_cost=D("0.55015")), "USDJPY": Exposure()},
)  # fmt: skip
MARKET = make_market(make_quote("1.1000", "1.1002"))


def test_equity_is_balance_and_credit_and_what_floats():
    found = value(PORTFOLIO, make_group(), "USD", TERMS, CATALOGUE, MARKET)
    assert found == Valuation(
        equity=D("1180.00"), floating=D("-20.00"), used_margin=D("550.15"), reserved_margin=D(100),
        free_margin=D("529.85"), level=D(118_000) / D("550.15"),
    )  # fmt: skip


def test_a_flat_account_needs_no_quotes():
    found = value(Portfolio(1, "", D(50)), make_group(), "USD", {}, CATALOGUE, make_market())
    assert found == Valuation(D(50), D(0), D(0), D(0), D(50), None)


def test_a_held_symbol_never_quoted_leaves_the_account_without_a_value():
    refused = value(PORTFOLIO, make_group(), "USD", TERMS, CATALOGUE, make_market())
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.no_price


def test_a_missing_rate_leaves_the_account_without_a_value():
    refused = value(PORTFOLIO, make_group(), "JPY", TERMS, CATALOGUE, MARKET)
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.conversion_rate_unavailable


@pytest.mark.parametrize(
    ("symbols", "account", "needed"),
    [
        ([], "USD", set()),
        (["EURUSD"], "USD", {"EURUSD"}),
        (["USDJPY"], "USD", {"USDJPY"}),
        (["EURGBP"], "USD", {"EURGBP", "EURUSD"}),  # no pair leads from GBP to USD: margin's way alone
        (["EURJPY"], "USD", {"EURJPY", "USDJPY", "EURUSD"}),
        (["EURUSD"], "JPY", {"EURUSD", "USDJPY", "EURJPY"}),
        (["EURUSD"], "PLN", {"EURUSD"}),
    ],
)
def test_the_quotes_a_decision_needs(symbols, account, needed):
    assert quotes_needed(symbols, account, TERMS, CATALOGUE) == needed


FRESH = make_quote("150", symbol="USDJPY")


@pytest.mark.parametrize(
    ("euro", "hours", "named"),
    [
        (make_quote("1.1"), {}, None),
        (make_quote("1.1", stamp_ms=NOW - 10_001), {}, "EURUSD"),
        (make_quote("1.2", "1.1"), {}, "EURUSD"),
        (None, {}, "EURUSD"),
        (make_quote("1.1", stamp_ms=0), {"hours": NEVER}, None),
        (make_quote("1.1", stamp_ms=0), {"hours": NEVER, "ignore_hours": True}, "EURUSD"),
    ],
)
def test_a_stale_price_of_what_is_held_stops_opens(euro, hours, named):
    terms = {"USDJPY": TERMS["USDJPY"], "EURUSD": make_terms(**hours)}
    refused = check_held_quotes(terms, make_market(FRESH, *([euro] if euro else [])))
    if named is None:
        assert refused is None
    else:
        assert refused
        assert (refused.reason, refused.facts) == (Reason.stale_price, {"symbol": named})


def valuation(equity="1000", floating="0", used="0", free="1000", percent=None):
    return Valuation(D(equity), D(floating), D(used), D(0), D(free), None if percent is None else D(percent))


@pytest.mark.parametrize(
    ("free", "balance", "credit", "expected"),
    [
        ("1000", "1000", "0", "1000"),
        ("1200", "1000", "200", "1000"),  # credit is never paid out
        ("700", "1000", "200", "500"),
        ("1500", "1000", "0", "1000"),  # nor is what only floats
        ("100", "1000", "200", "0"),
        ("-5", "1000", "0", "0"),
        ("1000", "-10", "0", "0"),
    ],
)
def test_withdrawable(free, balance, credit, expected):
    assert withdrawable(valuation(free=free), D(balance), D(credit)) == D(expected)


@pytest.mark.parametrize(
    ("measured", "called"),
    [
        (valuation(used="1000", percent="100.01"), False),
        (valuation(used="1000", percent="100"), True),
        (valuation(equity="-1", used="1000", percent="-0.1"), True),
        (valuation(), False),
        (valuation(equity="0"), False),  # an empty account is nobody's call
        (valuation(equity="0", floating="-40"), True),  # fully hedged: no margin, no level
        (valuation(equity="0.01", floating="-40"), False),
    ],
)
def test_margin_call(measured, called):
    assert is_margin_call(measured, make_group()) is called
    assert is_margin_call(measured, replace(make_group(), margin_call_level=D(-1000))) is (
        called and not measured.used_margin
    )


@pytest.mark.parametrize(
    ("halt", "opening", "closing"),
    [
        (Halt("platform", False, "Fire"), True, True),
        (Halt("platform", True, "Fire"), True, False),
        (Halt("group:std", False, "Fire"), True, True),
        (Halt("group:vip", False, "Fire"), False, False),
        (Halt("instrument:EURUSD", True, "Fire"), True, False),
        (Halt("instrument:USDJPY", False, "Fire"), False, False),
        (Halt("platform", False, "Fire", NOW + 1), True, True),
        (Halt("platform", False, "Fire", NOW), False, False),
    ],
)
def test_halts(halt, opening, closing):
    for asked, expected in ((True, opening), (False, closing)):
        refused = check_halts([Halt("group:vip", False, "Other"), halt], "std", "EURUSD", asked, NOW)
        assert (refused is not None) is expected
        assert refused is None or (refused.reason, refused.facts["scope"]) == (Reason.trading_halted, halt.scope)


def test_a_halt_says_why_and_until_when():
    until = check_halts([Halt("platform", False, "Fire drill", NOW + 60_000)], "std", "EURUSD", True, NOW)
    assert until
    assert until.detail == "Fire drill (until 2026-01-14T12:01:00.000Z)"
    assert until.facts == {"scope": "platform", "until": "2026-01-14T12:01:00.000Z"}
    assert until.retry_after_s == 60
    endless = check_halts([Halt("platform", False, "Fire")], "std", "EURUSD", True, NOW)
    assert endless
    assert endless.detail == "Fire (until further notice)"
