"""Reads the indexes of levels into a book, a slice at a time, so that ticks are judged in between.

A level that is in its index all the while is read, whatever is added or removed meanwhile: a slice
goes on from the last score, which never changes for a member, and not from a count of members.
"""

import random
from collections.abc import Iterable, Iterator, Sequence

from accounts.terms import Catalogue
from orders.book import keys
from orders.book.connection import Call, ledger
from orders.book.triggers import Level, Named, drop_call, levels_from_rows, never_to_fire
from workers.monitors.levels import SIDES, LevelBook

SLICE = 2_000
#: So many of all levels, or a tenth, drawn by chance, are looked at with each reading, so that those of ended orders
#: do not pile up.
LOOKED_AT = 500
_SHARE = 0.1


def named_in(catalogue: Catalogue, symbols: Iterable[str]) -> list[Named]:
    """Every index there can be of these symbols."""
    mine = set(symbols)
    return [
        (family, symbol, group, side)
        for group, symbol in sorted(catalogue.terms)
        if symbol in mine
        for family, sides in SIDES.items()
        for side in sides
    ]


def read_into(book: LevelBook, wanted: Sequence[Named]) -> Iterator[None]:
    """Each step reads about SLICE levels; the last one ends without giving anything."""
    sizes = ledger().run([(key, ("ZCARD", key)) for key in (keys.level_index(*named) for named in wanted)])
    share = max(_SHARE, LOOKED_AT / max(sum(sizes), LOOKED_AT))
    small: list[Named] = []
    waiting = 0
    for named, size in zip(wanted, sizes, strict=True):
        if size > SLICE:
            yield from _read_large(book, named, share)
        elif size:
            small.append(named)
            waiting += size
        if waiting > SLICE:
            _read_whole(book, small, share)
            small, waiting = [], 0
            yield
    _read_whole(book, small, share)


def _read_whole(book: LevelBook, wanted: Sequence[Named], share: float) -> None:
    named_keys = [keys.level_index(*named) for named in wanted]
    calls: list[Call] = [(key, ("ZRANGE", key, 0, -1, "WITHSCORES")) for key in named_keys]
    found: list[Level] = []
    for named, rows in zip(wanted, ledger().run(calls), strict=True):
        found += levels_from_rows(named, _pairs(rows))
    book.add_all(_without_ended(found, share))


def _read_large(book: LevelBook, named: Named, share: float) -> Iterator[None]:
    """By score, so that the ladder is sorted as it comes; levels of one score are never torn apart."""
    key = keys.level_index(*named)
    found: list[Level] = []
    start: str | None = "-inf"
    while start is not None:
        asked = ("ZRANGE", key, start, "+inf", "BYSCORE", "LIMIT", 0, SLICE, "WITHSCORES")
        rows = list(_pairs(ledger().run([(key, asked)])[0]))
        if len(rows) < SLICE:
            start = None
        else:
            last = repr(rows[-1][1])
            whole = ("ZRANGE", key, last, last, "BYSCORE", "WITHSCORES")
            rows = [row for row in rows if row[1] != rows[-1][1]] + list(_pairs(ledger().run([(key, whole)])[0]))
            start = f"({last}"
        found += _without_ended(levels_from_rows(named, rows), share)
        yield
    book.add_all(found)


def _without_ended(found: list[Level], share: float) -> list[Level]:
    """Less those that a look at this share of them showed will never fire; they are taken out of the index too."""
    gone = never_to_fire(ledger(), random.sample(found, round(len(found) * share)))
    if not gone:
        return found
    ledger().run([drop_call(level) for level in gone])
    ended = set(gone)
    return [level for level in found if level not in ended]


def _pairs(rows: list[object]) -> Iterator[tuple[str, float]]:
    """redis-py gives pairs, or a flat list of members and scores, by protocol."""
    if rows and isinstance(rows[0], list | tuple):
        return ((row[0], float(row[1])) for row in rows)  # type: ignore[index]
    return ((str(rows[at]), float(str(rows[at + 1]))) for at in range(0, len(rows), 2))
