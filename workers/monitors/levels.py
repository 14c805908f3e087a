"""The levels a monitor watches, in its own memory, sorted: a quote that fires nothing costs one comparison a ladder.

A level fires when the client's ask or bid falls to it or rises to it; which of the four is a table.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, Literal

from orders.book.triggers import Family, Level
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


class _Ladder:
    """Levels of one symbol, group, family and side; the next to fire is at the end."""

    def __init__(self, family: Family, side: str) -> None:
        self.looks_at, direction = WATCHES[family, side]
        self._falls = direction == "falls"
        self._rungs: list[tuple[Decimal, Level]] = []

    def add(self, level: Level) -> None:
        rung = (level.price if self._falls else -level.price, level)
        place = bisect_left(self._rungs, rung)
        if place == len(self._rungs) or self._rungs[place] != rung:
            insort(self._rungs, rung)

    def touched(self, price: Decimal) -> Iterator[Level]:
        """Takes out and gives every level that fires at the client's `price`, best first."""
        reached = price if self._falls else -price
        while self._rungs and self._rungs[-1][0] >= reached:
            yield self._rungs.pop()[1]

    def __len__(self) -> int:
        return len(self._rungs)


class LevelBook:
    """All ladders, found by symbol and group. Stop losses come before take profits, and both before openings."""

    def __init__(self) -> None:
        self._ladders: dict[str, dict[str, dict[tuple[Family, str], _Ladder]]] = defaultdict(dict)

    def add(self, level: Level) -> None:
        by_group = self._ladders[level.symbol].setdefault(level.group, {})
        ladder = by_group.get((level.family, level.side))
        if ladder is None:
            by_group[level.family, level.side] = _Ladder(level.family, level.side)
            # Kept in the order of WATCHES, which is the order of firing on one quote.
            self._ladders[level.symbol][level.group] = by_group = {k: by_group[k] for k in WATCHES if k in by_group}
            ladder = by_group[level.family, level.side]
        ladder.add(level)

    def replace(self, levels: Iterable[Level]) -> None:
        self._ladders.clear()
        for level in levels:
            self.add(level)

    def groups_of(self, symbol: str) -> Iterable[str]:
        return self._ladders.get(symbol, {}).keys()

    def touched(self, symbol: str, group: str, bid: Decimal, ask: Decimal) -> list[Level]:
        """Every level that fires at the client's bid and ask; they are taken out."""
        fired: list[Level] = []
        for ladder in self._ladders[symbol][group].values():
            fired.extend(ladder.touched(ask if ladder.looks_at == "ask" else bid))
        return fired

    def __len__(self) -> int:
        return sum(len(ladder) for groups in self._ladders.values() for by in groups.values() for ladder in by.values())
