"""Prices made up on the spot: a random walk a symbol, drawn back to a reference price so that it may run for years.

Pure and seeded: the same instrument, seed and start give the same ticks. Prices are whole numbers of
the instrument's tick; the random draws are floats, the prices never are.
"""

import heapq
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter

from workers.feed.formats import Tick


def _decimals(written: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in written.items()}


#: What one unit of a currency is worth in US dollars, so that crosses start in line with the majors.
USD_VALUE = _decimals({
    "EUR": "1.10", "GBP": "1.28", "AUD": "0.66", "NZD": "0.61", "USD": "1", "CHF": "1.14", "CAD": "0.73",
    "JPY": "0.0067", "SEK": "0.095", "NOK": "0.093", "DKK": "0.147", "PLN": "0.25", "HUF": "0.0028", "CZK": "0.044",
    "SGD": "0.75", "HKD": "0.128", "TRY": "0.029", "ZAR": "0.055", "MXN": "0.054", "CNH": "0.138",
})  # fmt: skip

#: Where a symbol that is no currency pair starts and comes back to, in its own currency.
REFERENCE = _decimals({
    "XAUUSD": "2400", "XAGUSD": "29", "XPTUSD": "980", "XPDUSD": "950",
    "USOIL": "75", "XTIUSD": "75", "WTI": "75", "UKOIL": "79", "XBRUSD": "79", "BRENT": "79",
    "US30": "40000", "US500": "5500", "NAS100": "19500", "US100": "19500", "JP225": "39000", "AUS200": "7900",
    "GER40": "18500", "DE40": "18500", "UK100": "8200", "FRA40": "7500",
    "BTCUSD": "60000", "ETHUSD": "3000", "LTCUSD": "70", "XRPUSD": "0.6", "SOLUSD": "150",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manner:
    """How a class of instruments moves: a usual day's move and spread as parts of the price, ticks a second from to."""

    daily_move: float
    spread: float
    slowest: float
    quickest: float
    fallback: Decimal


MAJORS = Manner(daily_move=0.005, spread=0.00009, slowest=2.0, quickest=5.0, fallback=Decimal(1))
MANNERS = {
    "forex": Manner(daily_move=0.006, spread=0.00016, slowest=1.0, quickest=3.0, fallback=Decimal(1)),
    "metal": Manner(daily_move=0.010, spread=0.00013, slowest=2.0, quickest=4.0, fallback=Decimal(1000)),
    "energy": Manner(daily_move=0.020, spread=0.00040, slowest=1.0, quickest=2.0, fallback=Decimal(75)),
    "index": Manner(daily_move=0.010, spread=0.00005, slowest=1.0, quickest=3.0, fallback=Decimal(10000)),
    "crypto": Manner(daily_move=0.030, spread=0.00017, slowest=1.0, quickest=3.0, fallback=Decimal(100)),
}

#: The walk's spread around its reference after a long time, in usual daily moves: six sigma is 6 % for EURUSD.
LONG_RUN_DAYS = 2.0
#: A walk goes on from the last quote if that is within this part of the reference, else it starts at the reference.
START_WITHIN = Decimal("0.3")
#: A step's least standard deviation in ticks: below it rounding would swallow the pull towards the reference.
LEAST_STEP = 0.6
LONGEST_SILENCE_MS = 3_000
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the simulator needs to know of an instrument. Ticks come at least twice as often as `price_age_ms` asks."""

    symbol: str
    tick: Decimal
    instrument_class: str
    price_age_ms: int


def simulate(
    instruments: Sequence[Simulated], lasts: Mapping[str, Decimal], seed: int, start_ms: int
) -> Iterator[Tick]:
    """Ticks of all instruments for ever, by time, the first of each at `start_ms`. `lasts` are mids to go on from."""
    walks = (_walk(instrument, lasts.get(instrument.symbol), seed, start_ms) for instrument in instruments)
    return heapq.merge(*walks, key=attrgetter("moment_ms"))


def reference(instrument: Simulated) -> Decimal:
    """The price a symbol's walk comes back to."""
    if instrument.symbol in REFERENCE:
        return REFERENCE[instrument.symbol]
    base, profit = USD_VALUE.get(instrument.symbol[:3]), USD_VALUE.get(instrument.symbol[3:6])
    if instrument.instrument_class == "forex" and base is not None and profit is not None:
        return base / profit
    return _manner(instrument).fallback


def _walk(instrument: Simulated, last: Decimal | None, seed: int, start_ms: int) -> Iterator[Tick]:
    """A discrete Ornstein-Uhlenbeck process of the mid price, in ticks.

    With n steps a day, a usual daily move d and a long-run deviation of L x d: each step's deviation
    is d / sqrt(n), and the pull k a step follows from deviation^2 = 2 k (L d)^2, so k = 1 / (2 n L^2).
    """
    draw = random.Random(f"{seed}:{instrument.symbol}")  # made-up prices, no secrets
    manner = _manner(instrument)
    rate = draw.uniform(manner.slowest, manner.quickest)
    centre = reference(instrument)
    near = last is not None and abs(last - centre) <= START_WITHIN * centre
    goal = max(round(centre / instrument.tick), 1)
    mid = max(round((last if near and last is not None else centre) / instrument.tick), 1)
    steps_a_day = rate * _DAY_S
    deviation = max(goal * manner.daily_move / math.sqrt(steps_a_day), LEAST_STEP)
    pull = 1 / (2 * steps_a_day * LONG_RUN_DAYS**2)
    silence_ms = max(1, min(LONGEST_SILENCE_MS, instrument.price_age_ms // 2))
    moment_ms = start_ms
    while True:
        spread = max(1, round(goal * manner.spread * draw.uniform(0.8, 1.4)))
        bid = max(1, mid - spread // 2)
        yield Tick(moment_ms, instrument.symbol, bid * instrument.tick, (bid + spread) * instrument.tick)
        moment_ms += min(silence_ms, max(1, round(draw.expovariate(rate) * 1_000)))
        mid = max(1, mid + round(draw.gauss((goal - mid) * pull, deviation)))


def _manner(instrument: Simulated) -> Manner:
    if instrument.instrument_class == "forex" and "USD" in (instrument.symbol[:3], instrument.symbol[3:6]):
        return MAJORS
    return MANNERS[instrument.instrument_class]
