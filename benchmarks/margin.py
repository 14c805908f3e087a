"""Margin of 10,000 holders on one tick: the screen, and what the rules take for the same accounts.

Everything is CPU time: nothing here waits, and what else the machine does is left out.

python -m benchmarks.margin
"""

import random
from decimal import Decimal
from time import process_time
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
        for row, done, took, per, of, aim in (
            ("margin tick", "moved and screened", tick, limit, named, "<= 1 ms"),
            ("margin exact", "measured by the rules", exact, tick, "the tick", ""),
            ("margin start", "put into the screen", put, exact, "measuring them by the rules", ""),
        ):
            text = f"{HOLDERS:,} holders, {what}, {done}"
            rows.append(Row(row, text, took * 1e3, "ms", per * 1e3, of, took / per, aim))
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
    began = process_time()
    for number, (portfolio, config) in enumerate(known, start=1):
        screen.put(AccountRef("live", number), portfolio, config)
    put = process_time() - began
    ticks = _ticks()
    began = process_time()
    for quote in ticks:
        screen.hear(quote, 0)
    tick = (process_time() - began) / TICKS
    market = Market(NOW, quotes)
    began = process_time()
    for portfolio, config in known:
        assert _valued(portfolio, config, catalogue, market)
    return tick, put, process_time() - began


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
    began = process_time()
    for number in range(TICKS):
        np.multiply(lots, 1.1 + number, out=made)
        np.subtract(made, cost, out=made)
    return (process_time() - began) / TICKS


if __name__ == "__main__":
    show(measure())
