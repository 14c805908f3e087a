"""What is known of real ticks holds as this code reads them.

Set REAL_TICKS to a folder with `oanda/tick`, `fxcm/tick`, `truefx` and `histdata`; without it these are skipped.
"""

import itertools
import os
from collections import Counter
from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.feed.test_formats import at
from workers.feed.formats import Tick, recognise
from workers.feed.handler import Handler
from workers.feed.replay import find, shifted

REAL = Path(os.environ.get("REAL_TICKS", ""))
SIZES = {"EURUSD": D("0.00001"), "NZDUSD": D("0.00001"), "XAUUSD": D("0.001"), "USDJPY": D("0.001")}

pytestmark = pytest.mark.skipif(not os.environ.get("REAL_TICKS"), reason="REAL_TICKS names no folder of recorded ticks")


def handled(folder: str) -> dict[str, int]:
    """What a handler counts over one pass through a folder."""
    handler = Handler("test", 0, SIZES)
    for tick in find(REAL / folder).ticks():
        handler.accept(tick)
    return {name: number for name, number in handler.counts.items() if number}


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("fxcm/tick/eurusd", {"passed": 519_917 - 53_128, "locked": 63_446, "crossed": 53_128}),
        ("fxcm/tick/nzdusd", {"passed": 444_856 - 9_726, "locked": 6_895, "crossed": 9_726}),
        ("oanda/tick/xauusd", {"passed": 418_932}),
    ],
)
def test_crossed_ticks_are_dropped_and_locked_ones_pass(folder: str, counts: dict[str, int]) -> None:
    """FXCM's EURUSD is crossed or locked in 116,574 ticks, NZDUSD in 16,621; OANDA never. No time goes back."""
    assert handled(folder) == counts


def test_venues_agree_on_the_time_of_day() -> None:
    """The first big move of a day is at the same minute at both venues only if FXCM's day begins five hours late."""
    hour = at("2014-05-07 14:00"), at("2014-05-07 15:00")
    mids = {venue: _minute_mids(REAL / venue / "tick/eurusd/20140507_quote.zip", *hour) for venue in ("oanda", "fxcm")}
    both = mids["oanda"].keys() & mids["fxcm"].keys()
    assert len(both) == 60
    assert max(abs(mids["oanda"][minute] - mids["fxcm"][minute]) for minute in both) < D("0.0002")


def _minute_mids(path: Path, begin_ms: int, end_ms: int) -> dict[int, D]:
    return {
        tick.moment_ms // 60_000: (tick.bid + tick.ask) / 2
        for tick in recognise(path).ticks()
        if begin_ms <= tick.moment_ms < end_ms
    }


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("truefx/usdjpy-ticks-2013-01.csv.gz", 1_000, ("2013-01-01 22:00:00.295", "USDJPY", "86.655", "86.728")),
        ("histdata/eurusd-ticks-2020-01.csv.gz", 9_500, ("2020-01-01 22:00:00.065", "EURUSD", "1.1212", "1.12172")),
    ],
)
def test_tables_are_read_whole_and_in_order(name: str, count: int, first: tuple[str, str, str, str]) -> None:
    ticks = list(recognise(REAL / name).ticks())
    utc, symbol, bid, ask = first
    assert (len(ticks), ticks[0]) == (count, Tick(at(utc), symbol, D(bid), D(ask)))
    assert all(one.moment_ms <= other.moment_ms for one, other in itertools.pairwise(ticks))


def test_a_venues_folder_plays_all_its_symbols_in_order() -> None:
    recording = find(REAL / "oanda" / "tick")
    assert {file.day for file in recording.files} == {"20140507", "20140508"}
    ticks = list(itertools.islice(shifted([recording.ticks()], 0, 1.0), 20_000))
    assert Counter(tick.symbol for tick in ticks).keys() == {"EURUSD", "NZDUSD", "XAUUSD"}
    assert all(0 <= other.moment_ms - one.moment_ms <= 10_000 for one, other in itertools.pairwise(ticks))
