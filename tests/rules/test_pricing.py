"""The client's price, and which quotes may be used."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.pricing import (
    client_ask,
    client_bid,
    closing_price,
    half_spreads,
    is_sound,
    opening_price,
    price_moved,
    usable_quote,
    valid_until,
)
from tests.rules.terms_for_tests import NEVER, NEW_YORK, NOW, make_market, make_quote, make_terms

D = Decimal


@pytest.mark.parametrize(
    ("points", "point", "tick", "off_bid", "on_ask"),
    [
        ("2", "0.0001", "0.00001", "0.0001", "0.0001"),
        ("0", "0.0001", "0.00001", "0", "0"),
        ("3", "0.0001", "0.00001", "0.00015", "0.00015"),
        ("3", "0.0001", "0.0001", "0.0001", "0.0002"),
        ("1", "0.00001", "0.00001", "0", "0.00001"),
        ("7", "0.01", "0.01", "0.03", "0.04"),
        ("1.5", "0.0001", "0.00001", "0.00007", "0.00008"),
        ("1", "0.25", "0.25", "0", "0.25"),
        ("3", "0.1", "0.25", "0", "0.25"),  # the markup itself is no whole tick: 0.3
    ],
)
def test_an_odd_spread_gives_the_ask_the_larger_half(points, point, tick, off_bid, on_ask):
    terms = make_terms(spread_points=points, spread_point=point, tick=tick)
    assert half_spreads(terms) == (D(off_bid), D(on_ask))


@given(ticks=st.integers(0, 1000), tick=st.sampled_from(["0.00001", "0.001", "0.01", "0.25", "1"]))
def test_half_spreads_sum_to_a_spread_of_whole_ticks(ticks, tick):
    terms = make_terms(spread_points=D(ticks), spread_point=tick, tick=tick)
    off_bid, on_ask = half_spreads(terms)
    assert off_bid + on_ask == ticks * D(tick)
    assert D(0) <= on_ask - off_bid <= D(tick)


@given(
    points=st.decimals(0, 50, places=1),
    bid=st.decimals("0.5", 2, places=5),
    raw=st.decimals(0, "0.01", places=5),
)
def test_a_client_never_trades_better_than_the_raw_quote(points, bid, raw):
    terms, quote = make_terms(spread_points=points), make_quote(bid, bid + raw)
    assert client_ask(terms, quote) >= quote.ask
    assert client_bid(terms, quote) <= quote.bid


def test_each_side_opens_and_closes_on_its_own_price():
    terms, quote = make_terms(), make_quote("1.1000", "1.1002")
    assert opening_price(terms, quote, "BUY") == closing_price(terms, quote, "SELL") == D("1.1003")
    assert opening_price(terms, quote, "SELL") == closing_price(terms, quote, "BUY") == D("1.0999")


@pytest.mark.parametrize(
    ("bid", "ask", "sound"),
    [("1.1", "1.2", True), ("1.1", "1.1", True), ("1.2", "1.1", False), ("0", "1", False), ("-1", "1", False)],
)
def test_a_locked_quote_is_sound_and_a_crossed_one_is_not(bid, ask, sound):
    assert is_sound(make_quote(bid, ask)) is sound


@pytest.mark.parametrize(
    ("overrides", "quote", "reason"),
    [
        ({}, make_quote("1.1", "1.1"), None),
        ({}, make_quote("1.1", stamp_ms=NOW - 10_000), None),
        ({}, make_quote("1.1", stamp_ms=NOW - 10_001), Reason.stale_price),
        ({}, None, Reason.no_price),
        ({}, make_quote("0", "1.1"), Reason.no_price),
        ({}, make_quote("-1", "1.1"), Reason.no_price),
        ({}, make_quote("1.2", "1.1"), Reason.no_price),
        ({}, make_quote("0.0001", "0.0002"), Reason.no_price),  # the markup would leave the client a bid of 0
        ({}, make_quote("1.2", "1.1", stamp_ms=0), Reason.no_price),
        ({"hours": NEVER}, None, Reason.market_closed),
        ({"hours": NEVER}, make_quote("1.1", stamp_ms=0), Reason.market_closed),
        ({"hours": NEVER, "ignore_hours": True}, make_quote("1.1"), None),
        ({"hours": NEVER, "ignore_hours": True}, make_quote("1.1", stamp_ms=0), Reason.stale_price),
    ],
)
def test_which_quote_may_be_used(overrides, quote, reason):
    found = usable_quote(make_terms(**overrides), make_market(*([quote] if quote else [])))
    assert (found.reason if isinstance(found, Rejection) else None) == reason
    if reason is None:
        assert found == quote


@pytest.mark.parametrize(
    ("side", "asked", "points", "price", "moved"),
    [
        ("BUY", "1.1000", "3", "1.1003", False),
        ("BUY", "1.1000", "3", "1.10031", True),
        ("BUY", "1.1000", "0", "1.1000", False),
        ("BUY", "1.1000", "0", "1.0900", False),
        ("SELL", "1.1000", "3", "1.0997", False),
        ("SELL", "1.1000", "3", "1.09969", True),
        ("SELL", "1.1000", "3", "1.2000", False),
    ],
)
def test_a_price_has_moved_only_if_it_is_worse(side, asked, points, price, moved):
    assert price_moved(make_terms(), side, D(asked), D(points), D(price)) is moved


def test_a_decision_is_valid_until_its_first_quote_grows_too_old():
    euro, yen = make_terms(price_age_ms=5_000), make_terms("USDJPY", price_age_ms=1_000)
    market = make_market(make_quote("1.1", stamp_ms=NOW - 4_900), make_quote("150", symbol="USDJPY", stamp_ms=NOW - 10))
    assert valid_until([euro, yen], market) == NOW + 100
    assert valid_until([yen], market) == NOW + 990


def test_the_quote_of_a_closed_market_does_not_age():
    saturday = 1_768_651_200_000  # 2026-01-17 12:00 UTC
    market = make_market(make_quote("1.1"), now_ms=saturday)
    assert valid_until([make_terms(hours=NEW_YORK)], market) == 0
    assert valid_until([make_terms(hours=NEW_YORK, ignore_hours=True)], market) == NOW + 10_000
    assert valid_until([], market) == valid_until([make_terms("USDJPY")], market) == 0
