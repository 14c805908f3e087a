"""Margin of 10,000 holders on one tick: the screen, and what the rules take for the same accounts.

python -m benchmarks.margin
"""

import random
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row, show
from benchmarks.ticks import ready

if TYPE_CHECKING:
    from accounts.terms import Catalogue
    from orders.rules.facts import Config, Portfolio, Quote

HOLDERS = 10_000
TICKS = 500
SYMBOLS = ("EURUSD", "USDJPY", "GBPUSD", "EURJPY")
MIDS = {"EURUSD": Decimal("1.1"), "USDJPY": Decimal(150), "GBPUSD": Decimal("1.3"), "EURJPY": Decimal(165)}


def measure() -> list[Row]:
    ready()
    limit = _multiply_add()
    named = f"one multiply-add over {HOLDERS:,} floats"
    rows = []
    for what, groups, currencies in (
        ("one group, one currency", ("std",), ("USD",)),
        ("three groups, three currencies", ("std", "vip", "pro"), ("USD", "EUR", "JPY")),
    ):
        catalogue = _catalogue(groups)
        known = _holders(groups, currencies)
        tick, put, exact = _measured(catalogue, known)
        holders = f"{HOLDERS:,} holders, {what}"
        rows += [
            Row("margin tick", holders, tick * 1e3, "ms", limit * 1e3, named, tick / limit, "<= 1 ms"),
            Row("margin exact", f"the rules alone, {holders}", exact * 1e3, "ms", tick * 1e3, "the tick", exact / tick, ""),
            Row("margin start", f"put into the screen, {holders}", put * 1e3, "ms", exact * 1e3, "exact", put / exact, ""),
        ]  # fmt: skip
    return rows


def _measured(catalogue: "Catalogue", known: "list[tuple[Portfolio, Config]]") -> tuple[float, float, float]:
    """Seconds of one tick of EURUSD, of putting all in, and of measuring all by the rules."""
    from copytrading.kernel.ids import AccountRef
    from orders.rules.facts import Market
    from tests.rules.terms_for_tests import NOW, make_quote
    from workers.monitors.margin import _valued
    from workers.monitors.screen import Screen

    quotes = {symbol: make_quote(mid, symbol=symbol) for symbol, mid in MIDS.items()}
    screen = Screen(catalogue)
    for quote in quotes.values():
        screen.hear(quote, 0)
    began = perf_counter()
    for number, (portfolio, config) in enumerate(known, start=1):
        screen.put(AccountRef("live", number), portfolio, config)
    put = perf_counter() - began
    ticks = _ticks()
    began = perf_counter()
    for quote in ticks:
        screen.hear(quote, 0)
    tick = (perf_counter() - began) / TICKS
    market = Market(NOW, quotes)
    began = perf_counter()
    for portfolio, config in known:
        assert _valued(portfolio, config, catalogue, market)
    return tick, put, perf_counter() - began


def _ticks() -> "list[Quote]":
    from tests.rules.terms_for_tests import make_quote

    chance = random.Random(3)
    return [make_quote(MIDS["EURUSD"] + chance.randrange(-100, 100) * Decimal("0.00001")) for _ in range(TICKS)]


def _holders(groups: tuple[str, ...], currencies: tuple[str, ...]) -> "list[tuple[Portfolio, Config]]":
    """Each holds EURUSD and one symbol more, far enough from its level: no call is looked for."""
    from orders.rules.facts import Config, Exposure, Portfolio

    chance = random.Random(4)
    found = []
    for _ in range(HOLDERS):
        exposures = {}
        for symbol in ("EURUSD", chance.choice(SYMBOLS[1:])):
            lots = Decimal(chance.randrange(1, 300)) / 100
            short = Decimal(chance.choice((0, 0, 5))) / 100
            mid = MIDS[symbol]
            exposures[symbol] = Exposure(lots, lots * mid, Decimal(100), short, short * mid, Decimal(10))
        config = Config(chance.choice(groups), 100, chance.choice(currencies), "active", "rock", 1)
        found.append((Portfolio(1, "", Decimal(10**7), used_margin=Decimal(220), exposures=exposures), config))
    return found


def _catalogue(groups: tuple[str, ...]) -> "Catalogue":
    from tests.rules.terms_for_tests import make_catalogue, make_group, make_terms

    terms = [make_terms(symbol, group=group) for group in groups for symbol in SYMBOLS]
    return make_catalogue(*terms, groups=[make_group(name=group) for group in groups])


def _multiply_add() -> float:
    """Seconds, into an array that is there."""
    lots, cost, made = np.full(HOLDERS, 0.5), np.full(HOLDERS, 0.55), np.empty(HOLDERS)
    began = perf_counter()
    for number in range(TICKS):
        np.multiply(lots, 1.1 + number, out=made)
        np.subtract(made, cost, out=made)
    return (perf_counter() - began) / TICKS


if __name__ == "__main__":
    show(measure())
