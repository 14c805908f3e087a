"""Profit, realised and floating: by sign, by leg, in parts and mirrored."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import Exposure, opposite
from orders.rules.profit import floating, profit, realised
from tests.rules.terms_for_tests import NOW, make_catalogue, make_market, make_quote, make_terms

D = Decimal
CONTRACT = D(100_000)
CATALOGUE = make_catalogue(make_terms(), make_terms("USDJPY"))
MARKET = make_market(make_quote("1.1000", "1.1002"), make_quote("150", "151", "USDJPY"))

sides = st.sampled_from(["BUY", "SELL"])
prices = st.decimals("0.9", "1.3", places=5)
lots = st.integers(1, 10_000).map(lambda steps: D(steps) / 100)


@pytest.mark.parametrize(
    ("side", "close_price", "expected"),
    [("BUY", "1.1050", "235"), ("SELL", "1.1050", "-235"), ("BUY", "1.1003", "0"), ("SELL", "1.0903", "500")],
)
def test_profit_by_side(side, close_price, expected):
    assert profit(side, D("0.5"), CONTRACT, D("1.1003"), D(close_price)) == D(expected)


@pytest.mark.parametrize(("close_price", "expected"), [("150.50", "331.13"), ("149.50", "-333.33")])
def test_a_foreign_gain_is_sold_and_a_foreign_loss_bought(close_price, expected):
    # 50,000 JPY: / 151 as a gain, / 150 as a loss.
    assert realised("BUY", D(1), CONTRACT, D(150), D(close_price), "JPY", "USD", CATALOGUE, MARKET) == D(expected)


@pytest.mark.parametrize(("close_price", "expected"), [("1.000005", "0.01"), ("0.999995", "-0.01")])
def test_half_a_cent_is_rounded_away_from_zero(close_price, expected):
    assert realised("BUY", D(1), D(1000), D(1), D(close_price), "USD", "USD", CATALOGUE, MARKET) == D(expected)


def test_each_leg_floats_at_the_clients_closing_price_and_is_rounded_by_itself():
    exposure = Exposure(long_lots=D(1), long_cost=D("1.1003"), short_lots=D("0.5"), short_cost=D("0.5") * D("1.0999"))
    # Long at 1.0999: -40. Short at 1.1003: -20.
    assert floating(exposure, make_terms(), "USD", CATALOGUE, MARKET) == D("-60.00")


def test_each_leg_is_converted_by_its_own_sign():
    yen = make_terms("USDJPY", spread_points="0")
    exposure = Exposure(long_lots=D(1), long_cost=D("149.50"), short_lots=D(1), short_cost=D("150.50"))
    # Long +50,000 JPY / 151 = 331.13; short -50,000 JPY / 150 = -333.33.
    assert floating(exposure, yen, "USD", CATALOGUE, MARKET) == D("-2.20")


@pytest.mark.parametrize("quotes", [[], [make_quote("1.2", "1.1")]])
def test_without_a_sound_quote_nothing_floats(quotes):
    refused = floating(Exposure(long_lots=D(1)), make_terms(), "USD", CATALOGUE, make_market(*quotes))
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.no_price
    assert "EURUSD" in refused.detail


def test_an_old_quote_still_values_a_position():
    market = make_market(make_quote("1.1000", "1.1002", stamp_ms=0), now_ms=NOW)
    bought = Exposure(long_lots=D(1), long_cost=D("1.1003"))
    assert floating(bought, make_terms(), "USD", CATALOGUE, market) == D("-40.00")


@given(side=sides, size=lots, open_price=prices, close_price=prices)
def test_a_buy_and_its_mirrored_sell_are_symmetric(side, size, open_price, close_price):
    made = profit(side, size, CONTRACT, open_price, close_price)
    assert profit(opposite(side), size, CONTRACT, close_price, open_price) == made
    assert profit(opposite(side), size, CONTRACT, open_price, close_price) == -made


@given(size=lots, open_price=prices, bid=prices, raw=st.decimals(0, "0.01", places=5))
def test_a_long_floats_as_its_mirrored_short_in_the_mirrored_market(size, open_price, bid, raw):
    ask, axis = bid + raw, D(2)
    long = Exposure(long_lots=size, long_cost=size * open_price)
    short = Exposure(short_lots=size, short_cost=size * (axis - open_price))
    market, mirrored = make_market(make_quote(bid, ask)), make_market(make_quote(axis - ask, axis - bid))
    terms = make_terms()
    assert floating(long, terms, "USD", CATALOGUE, market) == floating(short, terms, "USD", CATALOGUE, mirrored)


@given(
    side=sides,
    parts=st.lists(lots, min_size=1, max_size=6),
    open_price=prices,
    close_price=prices,
    money=st.sampled_from([("USD", "USD", "0.01"), ("JPY", "USD", "0.01"), ("USD", "JPY", "1")]),
)
def test_closing_in_parts_gives_what_closing_at_once_gives_to_the_rounding_of_the_parts(
    side, parts, open_price, close_price, money
):
    source, target, unit = money

    def close(size):
        made = realised(side, size, CONTRACT, open_price, close_price, source, target, CATALOGUE, MARKET)
        assert not isinstance(made, Rejection)
        return made

    apart = sum(close(part) for part in parts)
    assert abs(apart - close(sum(parts))) <= D(unit) / 2 * (len(parts) + 1)
