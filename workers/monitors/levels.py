"""The levels a monitor watches, in its own memory, sorted: a quote that fires nothing costs one comparison a ladder.

A level fires when the client's ask or bid falls to it or rises to it; which of the four is a table.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import zip_longest
from typing import Final, Literal

from sortedcontainers import SortedList

from orders.book.triggers import Family, Level, Named
from orders.rules.facts import PENDING_TYPES

#: (family, side) -> (the client's price it looks at, whether it fires as that price falls or rises).
WATCHES: Final[dict[tuple[Family, str], tuple[Literal["bid", "ask"], Literal["falls", "rises"]]]] = {
    ("sl", "BUY"): ("bid", "falls"),
    ("sl", "SELL"): ("ask", "rises"),
    ("tp", "BUY"): ("bid", "rises"),
    ("tp", "SELL"): ("ask", "falls"),
    ("pending", "BUY_LIMIT"): ("ask", "falls"),
    ("pending", "SELL_LIMIT"): ("bid", "rises"),
    ("pending", "BUY_STOP"): ("ask", "rises"),
    ("pending", "SELL_STOP"): ("bid", "falls"),
}
SIDES: Final[dict[Family, tuple[str, ...]]] = {
    "pending": PENDING_TYPES,
    "sl": ("BUY", "SELL"),
    "tp": ("BUY", "SELL"),
}
#: Sorts behind every family, so that (price, this) stands behind all levels of that price.
_BEHIND: Final = "~"


class _Ladder:
    """Levels of one symbol, group, family and side, sorted by price. `next` is the price at which the first fires.

    In pieces of some thousand, so that one more among hundreds of thousands moves only its neighbours.
    """

    __slots__ = ("_levels", "falls", "next", "on_ask")

    def __init__(self, family: Family, side: str) -> None:
        looks_at, direction = WATCHES[family, side]
        self.on_ask = looks_at == "ask"
        self.falls = direction == "falls"
        self._levels: SortedList[Level] = SortedList()
        self._note_next()

    def add(self, level: Level) -> None:
        if level not in self._levels:
            self._levels.add(level)
            self._note_next()

    def add_all(self, levels: Iterable[Level]) -> None:
        """Sorted once; nearly free for levels that come in order."""
        ordered = sorted(levels)
        known = self._levels
        self._levels.update([a for a, b in zip_longest(ordered, ordered[1:]) if a != b and not (known and a in known)])
        self._note_next()

    def take(self, price: Decimal) -> list[Level]:
        """Takes out and gives every level that fires at the client's `price`; what it passed first comes first."""
        if self.falls:
            count = len(self._levels) - self._levels.bisect_left((price,))
            taken = [self._levels.pop() for _ in range(count)]
        else:
            count = self._levels.bisect_left((price, _BEHIND))
            taken = [self._levels.pop(0) for _ in range(count)]
            taken.reverse()  # levels of one price come in the same order whether it falls or rises
            taken.sort(key=lambda level: level.price)
        self._note_next()
        return taken

    def _note_next(self) -> None:
        if not self._levels:
            self.next = Decimal("-Infinity" if self.falls else "Infinity")
        else:
            self.next = self._levels[-1 if self.falls else 0].price

    def __len__(self) -> int:
        return len(self._levels)


class LevelBook:
    """All ladders, found by symbol and group. Stop losses come before take profits, and both before openings."""

    def __init__(self) -> None:
        self._ladders: dict[str, dict[str, dict[tuple[Family, str], _Ladder]]] = defaultdict(dict)

    def add(self, level: Level) -> None:
        self._ladder((level.family, level.symbol, level.group, level.side)).add(level)

    def add_all(self, levels: Iterable[Level]) -> None:
        by_ladder: dict[Named, list[Level]] = defaultdict(list)
        for level in levels:
            by_ladder[level.family, level.symbol, level.group, level.side].append(level)
        for named, found in by_ladder.items():
            self._ladder(named).add_all(found)

    def replace(self, levels: Iterable[Level]) -> None:
        self._ladders.clear()
        self.add_all(levels)

    def groups_of(self, symbol: str) -> Iterable[str]:
        return self._ladders[symbol].keys() if symbol in self._ladders else ()

    def reaches(self, symbol: str, group: str, bid: Decimal, ask: Decimal) -> bool:
        """Whether anything fires at the client's bid and ask."""
        for ladder in self._ladders[symbol][group].values():
            price = ask if ladder.on_ask else bid
            if price <= ladder.next if ladder.falls else price >= ladder.next:
                return True
        return False

    def touched(self, symbol: str, group: str, bid: Decimal, ask: Decimal) -> list[Level]:
        """Every level that fires at the client's bid and ask; they are taken out."""
        fired: list[Level] = []
        for ladder in self._ladders[symbol][group].values():
            fired += ladder.take(ask if ladder.on_ask else bid)
        return fired

    def _ladder(self, named: Named) -> _Ladder:
        family, symbol, group, side = named
        ladders = self._ladders[symbol].setdefault(group, {})
        if (family, side) not in ladders:
            ladders[family, side] = _Ladder(family, side)
            # Kept in the order of WATCHES, which is the order of firing on one quote.
            self._ladders[symbol][group] = ladders = {each: ladders[each] for each in WATCHES if each in ladders}
        return ladders[family, side]

    def __len__(self) -> int:
        return sum(len(ladder) for groups in self._ladders.values() for by in groups.values() for ladder in by.values())
