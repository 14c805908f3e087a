"""Margin of an order, of a hedged symbol, of an account, and of what is in flight."""

from decimal import Decimal
from functools import reduce
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.terms import HedgingMode
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import Exposure
from orders.rules.margin import (
    InFlight,
    level,
    margin_of_rest,
    order_margin,
    reserved_margin,
    symbol_margin,
    used_margin,
)
from tests.rules.terms_for_tests import make_catalogue, make_market, make_quote, make_terms

D = Decimal
MODES = get_args(HedgingMode)
sides = st.sampled_from(["BUY", "SELL"])


# --- one order


@pytest.mark.parametrize(
    ("symbol", "overrides", "account", "expected"),
    [
        ("EURUSD", {}, "EUR", "1000.00"),
        ("EURUSD", {}, "USD", "1100.00"),  # at the open price, not at the market's 1.21
        ("EURUSD", {}, "GBP", "800.00"),  # at the raw mid of EURGBP
        ("EURUSD", {}, "JPY", "181500"),  # through USD: 1,000 x 1.21 x 150
        ("EURUSD", {"margin_rate": "0.05", "margin_factor": "2"}, "EUR", "10000.00"),
        ("GOLD", {"instrument_class": "metal", "contract_size": "100", "profit_currency": "USD"}, "USD", "1.10"),
        ("GOLD", {"instrument_class": "metal", "contract_size": "100", "profit_currency": "USD"}, "JPY", "165"),
        ("DAX", {"instrument_class": "index", "contract_size": "10000", "profit_currency": "EUR"}, "GBP", "88.00"),
    ],
)
def test_an_order_is_measured_in_its_own_currency_and_converted_once(symbol, overrides, account, expected):
    terms = make_terms(symbol, **overrides)
    catalogue = make_catalogue(make_terms(), make_terms("USDJPY"), make_terms("EURGBP"), terms)
    market = make_market(
        make_quote("1.20", "1.22"), make_quote("149", "151", "USDJPY"), make_quote("0.79", "0.81", "EURGBP")
    )
    assert order_margin(terms, 100, D(1), D("1.1"), account, catalogue, market) == D(expected)


def test_a_tie_at_the_last_digit_is_rounded_up():
    catalogue, market = make_catalogue(), make_market()
    assert order_margin(make_terms(), 200, D("0.01"), D("1.001"), "USD", catalogue, market) == D("5.01")  # 5.005
    # 1,000 EUR at 1.000005, a third of it: 333.335, though a third of 1,000 alone has no end.
    assert order_margin(make_terms(), 3, D("0.01"), D("1.000005"), "USD", catalogue, market) == D("333.34")


def test_an_order_without_a_rate_has_no_margin():
    refused = order_margin(make_terms(), 100, D(1), D("1.1"), "PLN", make_catalogue(), make_market())
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.conversion_rate_unavailable


@given(
    cents=st.integers(0, 10**9),
    parts=st.lists(st.integers(1, 1000), min_size=1, max_size=8),
    digits=st.sampled_from([0, 2]),
)
def test_the_margin_of_the_rest_telescopes_to_exactly_zero(cents, parts, digits):
    margin = D(cents).scaleb(-digits)
    lots = rest = D(sum(parts)) / 100
    held, released = margin, D(0)
    for part in parts:
        rest -= D(part) / 100
        kept = margin_of_rest(margin, rest, lots, digits)
        assert D(0) <= kept <= held
        released, held = released + held - kept, kept
    assert rest == held == 0
    assert released == margin


# --- one symbol, by hedging mode

LONG_3_SHORT_1 = Exposure(D(3), D("3.3"), D("310"), D(1), D("1.1"), D("90"))
SHORT_2_LONG_1 = Exposure(D(1), D("1.1"), D("100.01"), D(2), D("2.2"), D("150.02"))


@pytest.mark.parametrize(
    ("exposure", "mode", "hedged_size", "expected"),
    [
        (LONG_3_SHORT_1, "larger_leg", "100000", "310"),
        (LONG_3_SHORT_1, "sum", "100000", "400"),
        (LONG_3_SHORT_1, "net", "100000", "206.67"),  # 310 x 2 / 3
        (LONG_3_SHORT_1, "mt5_hedged", "100000", "306.67"),  # + 1 x 400 / 4
        (LONG_3_SHORT_1, "mt5_hedged", "50000", "256.67"),
        (LONG_3_SHORT_1, "mt5_hedged", "0", "206.67"),
        (SHORT_2_LONG_1, "larger_leg", "100000", "150.02"),
        (SHORT_2_LONG_1, "net", "100000", "75.01"),
        (SHORT_2_LONG_1, "mt5_hedged", "100000", "158.35"),  # 75.01 + 83.34333
        (SHORT_2_LONG_1, "mt5_hedged", "50000", "116.68"),  # 75.01 + 41.671666
    ],
)
def test_a_hedged_symbol_by_mode(exposure, mode, hedged_size, expected):
    terms = make_terms(hedged_size=hedged_size)
    mirrored = Exposure(
        exposure.short_lots, exposure.short_cost, exposure.short_margin,
        exposure.long_lots, exposure.long_cost, exposure.long_margin,
    )  # fmt: skip
    assert symbol_margin(exposure, mode, terms, 2) == D(expected)
    assert symbol_margin(mirrored, mode, terms, 2) == D(expected)


def test_both_parts_are_rounded_before_the_sum():
    # Uncovered 10.01 x 1 / 2 = 5.005, covered 1 x 15.015 / 3 = 5.005: rounded apart 10.02, together 10.01.
    exposure = Exposure(D(2), D(0), D("10.01"), D(1), D(0), D("5.005"))
    assert symbol_margin(exposure, "mt5_hedged", make_terms(), 2) == D("10.02")


@pytest.mark.parametrize(
    ("mode", "one_leg", "even"),
    [("larger_leg", 200, 200), ("sum", 200, 400), ("net", 200, 0), ("mt5_hedged", 200, 200)],
)
def test_one_leg_alone_and_two_even_legs(mode, one_leg, even):
    long = Exposure(long_lots=D(1), long_margin=D(200))
    assert symbol_margin(long, mode, make_terms(), 2) == one_leg
    assert symbol_margin(long.moved("SELL", D(1), D(1), D(200)), mode, make_terms(), 2) == even


@pytest.mark.parametrize("mode", MODES)
def test_used_margin_is_the_sum_over_symbols(mode):
    exposures = {
        "EURUSD": Exposure(long_lots=D(1), long_margin=D("200.01")),
        "USDJPY": Exposure(short_lots=D(2), short_margin=D("400.02")),
        "USDCHF": Exposure(),  # flat: needs no terms
    }
    terms = {symbol: make_terms(symbol) for symbol in ("EURUSD", "USDJPY")}
    assert used_margin(exposures, mode, terms, 2) == D("600.03")


@given(
    mode=st.sampled_from(MODES),
    orders=st.lists(st.tuples(sides, st.integers(1, 500), st.integers(0, 10**7), st.integers(0, 500)), max_size=6),
)
def test_used_margin_is_exactly_zero_when_flat(mode, orders):
    terms, exposure = make_terms(), Exposure()
    rests = []
    for side, steps, cents, closed in orders:
        lots, margin = D(steps) / 100, D(cents) / 100
        rest = max(lots - D(closed) / 100, D(0))
        kept = margin_of_rest(margin, rest, lots, 2)
        exposure = exposure.moved(side, lots, D(0), margin).moved(side, rest - lots, D(0), kept - margin)
        rests.append((side, rest, kept))
    assert used_margin({"EURUSD": exposure}, mode, {"EURUSD": terms}, 2) >= 0
    for side, rest, kept in rests:
        exposure = exposure.moved(side, -rest, D(0), -kept)
    assert exposure.flat
    assert used_margin({"EURUSD": exposure}, mode, {"EURUSD": terms}, 2) == 0
    assert symbol_margin(exposure, mode, terms, 2) == 0


@pytest.mark.parametrize(
    ("equity", "used", "expected"), [("-50", "100", "-50"), ("0", "100", "0"), ("5", "0.00", None)]
)
def test_level(equity, used, expected):
    assert level(D(equity), D(used)) == (None if expected is None else D(expected))


# --- in flight


def flight(side, lots, margin, symbol="EURUSD"):
    return InFlight(symbol, side, D(lots), D(lots) * D("1.1"), D(margin))


LONG_1 = {"EURUSD": Exposure(long_lots=D(1), long_margin=D(100))}


@pytest.mark.parametrize(
    ("exposures", "flying", "expected"),
    [
        ({}, [], {"larger_leg": 0, "sum": 0, "net": 0, "mt5_hedged": 0}),
        ({}, [flight("BUY", "1", "100")], {"larger_leg": 100, "sum": 100, "net": 100, "mt5_hedged": 100}),
        # Either may fill without the other.
        (
            {},
            [flight("BUY", "1", "100"), flight("SELL", "1", "110")],
            {"larger_leg": 110, "sum": 210, "net": 110, "mt5_hedged": 110},
        ),
        # A hedge takes nothing more, except by `sum`.
        (LONG_1, [flight("SELL", "1", "100")], {"larger_leg": 0, "sum": 100, "net": 0, "mt5_hedged": 0}),
        (LONG_1, [flight("SELL", "3", "300")], {"larger_leg": 200, "sum": 300, "net": 100, "mt5_hedged": 200}),
        # A close in flight reserves nothing of itself,
        (LONG_1, [flight("BUY", "-1", "-100")], {"larger_leg": 0, "sum": 0, "net": 0, "mt5_hedged": 0}),
        # and its release cannot be counted on.
        (
            LONG_1,
            [flight("BUY", "-1", "-100"), flight("BUY", "1", "120")],
            {"larger_leg": 120, "sum": 120, "net": 120, "mt5_hedged": 120},
        ),
        # Closing one leg of a hedge uncovers the other.
        (
            {"EURUSD": Exposure(D(1), D(0), D(100), D(1), D(0), D(100))},
            [flight("BUY", "-1", "-100")],
            {"larger_leg": 0, "sum": 0, "net": 100, "mt5_hedged": 0},
        ),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_reserved_margin(exposures, flying, expected, mode):
    assert reserved_margin(exposures, flying, mode, {"EURUSD": make_terms()}, 2) == expected[mode]


def test_symbols_in_flight_add_up():
    flying = [flight("BUY", "1", "100"), flight("SELL", "1", "50", "USDJPY")]
    terms = {"EURUSD": make_terms(), "USDJPY": make_terms("USDJPY")}
    assert reserved_margin(LONG_1, flying, "larger_leg", terms, 2) == 150


def test_that_nothing_fills_is_an_outcome_too():
    # Margins per lot this far apart make the present take more than any corner of the box: 23.43 against 23.33.
    exposure = Exposure(D(2), D(0), D(20), D(5), D(0), D(20))
    flying = [flight("SELL", "2", "0"), flight("SELL", "-3", "0")]
    assert symbol_margin(exposure, "mt5_hedged", make_terms(), 2) == D("23.43")
    assert reserved_margin({"EURUSD": exposure}, flying, "mt5_hedged", {"EURUSD": make_terms()}, 2) == 0


def test_what_cannot_be_in_flight_is_a_broken_invariant():
    with pytest.raises(InvariantBroken, match="no lots"):
        flight("BUY", "0", "0")
    with pytest.raises(InvariantBroken, match="sent twice"):
        reserved_margin(LONG_1, [flight("BUY", "-1", "-100")] * 2, "net", {"EURUSD": make_terms()}, 2)


QUARTERS = [D(each) / 4 for each in range(5)]


@st.composite
def flights(draw, rate):
    """A symbol's exposure, and up to three orders in flight on it in lots that divide into quarters."""
    exposure, flying = Exposure(), []
    for side in ("BUY", "SELL"):
        lots = draw(st.integers(0, 50)) * D("0.04")
        exposure = exposure.moved(side, lots, lots, lots * draw(rate))
    for side, opens in draw(st.lists(st.tuples(sides, st.booleans()), max_size=3)):
        lots = draw(st.integers(1, 50)) * D("0.04")
        margin = lots * draw(rate)
        flying.append(
            InFlight("EURUSD", side, lots, lots, margin) if opens else InFlight("EURUSD", side, -lots, -lots, -margin)
        )
        if not opens:
            exposure = exposure.moved(side, lots, lots, margin)
    return exposure, flying


def largest_of_all_outcomes(exposure, flying, mode, terms):
    """By brute force: each order in flight filled by none, one, two, three or four quarters, in every combination."""
    outcomes = (
        reduce(
            lambda held, part: held.moved(
                part[0].side, *(part[1] * each for each in (part[0].lots, D(0), part[0].margin))
            ),
            zip(flying, parts, strict=True),
            exposure,
        )
        for parts in product(QUARTERS, repeat=len(flying))
    )
    return max(symbol_margin(each, mode, terms, 2) for each in outcomes)


def reserved_and_brute(case, mode, hedged_size="100000"):
    (exposure, flying), terms = case, make_terms(hedged_size=hedged_size)
    now = symbol_margin(exposure, mode, terms, 2)
    reserved = reserved_margin({"EURUSD": exposure}, flying, mode, {"EURUSD": terms}, 2)
    return reserved, largest_of_all_outcomes(exposure, flying, mode, terms) - now, now


@given(case=flights(st.integers(0, 3000)), mode=st.sampled_from(["larger_leg", "sum", "net"]))
def test_the_corners_give_what_all_outcomes_give(case, mode):
    reserved, brute, _ = reserved_and_brute(case, mode)
    assert reserved == brute >= 0


@given(case=flights(st.just(200)), hedged_size=st.sampled_from(["100000", "50000", "0"]))
def test_the_corners_give_what_all_outcomes_give_mt5_hedged(case, hedged_size):
    reserved, brute, _ = reserved_and_brute(case, "mt5_hedged", hedged_size)
    assert reserved == brute >= 0


@given(case=flights(st.integers(1000, 1200)), hedged_size=st.sampled_from(["100000", "50000", "0"]))
def test_uneven_margins_per_lot_move_mt5_hedged_by_a_hair_at_most(case, hedged_size):
    reserved, brute, now = reserved_and_brute(case, "mt5_hedged", hedged_size)
    assert reserved >= 0
    assert brute - reserved <= (now + brute) * D("0.002") + D("0.02")
