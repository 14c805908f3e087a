"""A tick over a million resting levels, as the pending monitor judges it: all in memory, no server needed.

Everything is CPU time: nothing here waits, and what else the machine does is left out.

python -m benchmarks.ticks
"""

import atexit
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from decimal import Decimal
from itertools import cycle, islice
from time import process_time
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row, show

if TYPE_CHECKING:
    from orders.book.triggers import Level
    from orders.rules.facts import Quote

LEVELS = 1_000_000
SYMBOLS = [f"S{number:02}USD" for number in range(50)]
TICKS = 200_000
FIRED = 1_000
LONG_LADDER = 200_000
MID = Decimal("1.10000")
TICK = Decimal("0.00001")


def measure() -> list[Row]:
    ready()
    from orders.book.triggers import levels_from_rows
    from workers.monitors.levels import WATCHES, LevelBook

    rows = _index_rows(LEVELS // len(SYMBOLS) // len(WATCHES))
    split = _timed(lambda: [member.split("|") for _, members in rows for member, _ in members])
    began = process_time()
    levels = [level for named, members in rows for level in levels_from_rows(named, members)]
    parsed = process_time() - began
    random.Random(1).shuffle(levels)
    book = LevelBook()
    built = _timed(lambda: book.replace(levels))
    bare = _timed(lambda: sorted(levels))
    assert len(book) == len(levels) == LEVELS
    quiet, comparisons = _nothing_fires(levels)
    fired, popped = _some_fire(levels)
    added, inserted = _one_more()
    count = len(WATCHES)
    return [
        Row(
            "levels read", f"{LEVELS:,} members of indexes parsed", parsed, "s", split, "str.split of each",
            parsed / split, "",
        ),
        Row("levels built", f"{LEVELS:,} in any order", built, "s", bare, "sorted() once", built / bare, ""),
        Row(
            "level added", f"to a ladder of {LONG_LADDER:,}", added * 1e6, "us", inserted * 1e6,
            "insort into a list", added / inserted, "",
        ),
        Row(
            "quiet tick", f"fires nothing of {LEVELS:,} levels over {len(SYMBOLS)} symbols", quiet * 1e6, "us",
            comparisons * 1e6, f"{count} bare comparisons of Decimals", quiet / comparisons, "<= 5 us",
        ),
        Row(
            "busy tick", f"touches {FIRED:,}, until they are taken out", fired * 1e3, "ms", popped * 1e3,
            "list.pop of as many", fired / popped, "",
        ),
    ]  # fmt: skip


def ready() -> None:
    """Django as the product has it; nothing is connected to."""
    import django
    from django.apps import apps

    if not apps.ready:
        folder = tempfile.mkdtemp(prefix="bench-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.setdefault("DATA_DIR", folder)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")
        django.setup()


def _index_rows(each: int) -> list[tuple[Any, list[tuple[str, float]]]]:
    """As the ledger gives them: at least a hundred ticks from the price, which fires none, and some of one price."""
    from workers.monitors.levels import WATCHES

    found = []
    numbers = iter(range(LEVELS))
    for symbol in SYMBOLS:
        for (family, side), (_, direction) in WATCHES.items():
            away = -TICK if direction == "falls" else TICK
            prices = sorted(MID + away * (100 + number % (each // 2)) for number in range(each))
            members = [_member(next(numbers)) for _ in prices]
            rows = [(member, float(price)) for member, price in zip(members, prices, strict=True)]
            found.append(((family, symbol, "std", side), rows))
    return found


def _member(number: int) -> str:
    account = number // 3
    return f"live:{account}|ord_l{account}_{number:014}|1"


def _nothing_fires(levels: "list[Level]") -> tuple[float, float]:
    """Seconds a tick through the whole judgement of a quote, and for as many comparisons alone."""
    from tests.rules.terms_for_tests import make_catalogue, make_terms
    from workers.monitors.levels import WATCHES
    from workers.monitors.pending import PendingMonitor

    catalogue = make_catalogue(*(make_terms(symbol, profit_currency="USD") for symbol in SYMBOLS))
    monitor = PendingMonitor("bench")
    monitor.prepare()
    monitor._levels.replace(levels)
    quotes = list(islice(cycle(_quotes()), TICKS))
    judge = monitor._on_quote
    began = process_time()
    for quote in quotes:
        judge(quote, catalogue)
    quiet = (process_time() - began) / TICKS
    assert len(monitor._levels) == LEVELS
    nexts = [MID + TICK * number for number in range(len(WATCHES))]
    began = process_time()
    for quote in quotes:
        for each in nexts:
            quote.bid <= each  # noqa: B015
    return quiet, (process_time() - began) / TICKS


def _quotes() -> "list[Quote]":
    from tests.rules.terms_for_tests import make_quote

    chance = random.Random(2)
    bids = [(symbol, MID + TICK * chance.randrange(-50, 50)) for _ in range(20) for symbol in SYMBOLS]
    return [make_quote(bid, bid + 2 * TICK, symbol) for symbol, bid in bids]


def _some_fire(levels: "list[Level]") -> tuple[float, float]:
    from workers.monitors.levels import LevelBook

    took = []
    for symbol in SYMBOLS[:10]:
        book = LevelBook()
        book.replace(level for level in levels if level.symbol == symbol)
        stops = sorted(level.price for level in levels if level[1:5] == ("sl", symbol, "std", "BUY"))
        price = stops[-FIRED]
        began = process_time()
        assert book.reaches(symbol, "std", price, price)
        fired = book.touched(symbol, "std", price, MID)
        took.append(process_time() - began)
        assert len(fired) >= FIRED
    plain = list(range(LEVELS))
    return min(took), _timed(lambda: [plain.pop() for _ in range(FIRED)])


def _one_more() -> tuple[float, float]:
    from bisect import insort

    from orders.book.triggers import Level
    from workers.monitors.levels import LevelBook

    def level(number: int) -> Level:
        return Level(MID - TICK * (number % 9_973), "sl", "S00USD", "std", "BUY", f"live:{number}", "ord_l1_A", 1)

    ladder = [level(number) for number in range(LONG_LADDER)]
    more = [level(LONG_LADDER + number) for number in range(FIRED)]
    book, plain = LevelBook(), sorted(ladder)
    book.replace(ladder)
    added = _timed(lambda: [book.add(each) for each in more])  # type: ignore[func-returns-value]
    inserted = _timed(lambda: [insort(plain, each) for each in more])
    return added / FIRED, inserted / FIRED


def _timed(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


if __name__ == "__main__":
    show(measure())
