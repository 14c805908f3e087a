"""What stands between a source of ticks and the book: it lets through what can be traded on, and counts the rest.

A tick is dropped when it is crossed (ask below bid), not positive, of an instrument not offered, or
behind the last one that passed. A locked tick (ask = bid) passes. One that jumps further than the
limit is held until three in a row, itself the first, agree on the new price: a typing error has no
followers, a central bank's decision has.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from copytrading.kernel.decimals import ceil_to, floor_to
from orders.book.quotes import Touch
from workers.feed.formats import Tick

#: The part of the price that bid or ask may move between two ticks of a symbol.
JUMP_LIMIT = Decimal("0.10")
#: How many ticks in a row must agree on a price beyond the limit.
CONFIRMATIONS = 3

PASSED, LOCKED, WIDENED = "passed", "locked", "widened"
CROSSED, NOT_POSITIVE, BACKWARD, JUMP, NOT_OFFERED = "crossed", "not_positive", "backward", "jump", "not_offered"
DROPPED = (NOT_OFFERED, NOT_POSITIVE, CROSSED, BACKWARD, JUMP)


class Handler:
    """One feed's judgement. `counts` tells each tick once, as passed or under why it was dropped; of those
    passed, `locked` and `widened` tell how many had ask = bid and prices between the instrument's ticks.
    """

    def __init__(
        self, feed: str, sequence: int, tick_sizes: Mapping[str, Decimal], jump_limit: Decimal = JUMP_LIMIT
    ) -> None:
        """`sequence` is one that all earlier touches of this feed are at most (`quotes.resume_sequence`)."""
        self.feed = feed
        self.counts: Counter[str] = Counter()
        self._sequence = sequence
        self._tick_sizes = tick_sizes
        self._jump_limit = jump_limit
        self._last: dict[str, Tick] = {}
        self._held: dict[str, list[Tick]] = {}

    def accept(self, tick: Tick) -> Touch | None:
        """The touch to publish, or None when the tick was dropped or is held."""
        fault = self._fault(tick)
        if fault is not None:
            self.counts[fault] += 1
            return None
        self._last[tick.symbol] = tick
        self._held.pop(tick.symbol, None)
        self._sequence += 1
        self.counts[PASSED] += 1
        self.counts[LOCKED] += tick.bid == tick.ask
        size = self._tick_sizes[tick.symbol]
        bid, ask = floor_to(tick.bid, size), ceil_to(tick.ask, size)
        self.counts[WIDENED] += (bid, ask) != (tick.bid, tick.ask)
        return Touch(tick.symbol, bid, ask, self.feed, self._sequence)

    def _fault(self, tick: Tick) -> str | None:
        if tick.symbol not in self._tick_sizes:
            return NOT_OFFERED
        # Floored to nothing is as unusable as nothing.
        if min(tick.bid, tick.ask) < self._tick_sizes[tick.symbol]:
            return NOT_POSITIVE
        if tick.ask < tick.bid:
            return CROSSED
        last = self._last.get(tick.symbol)
        if last is not None and tick.moment_ms < last.moment_ms:
            return BACKWARD
        if last is not None and self._jumps(last, tick) and not self._confirmed(tick):
            return JUMP
        return None

    def _jumps(self, before: Tick, tick: Tick) -> bool:
        return (
            abs(tick.bid - before.bid) > self._jump_limit * before.bid
            or abs(tick.ask - before.ask) > self._jump_limit * before.ask
        )

    def _confirmed(self, tick: Tick) -> bool:
        """Whether this is the last of enough ticks in a row beyond the limit and close to each other."""
        held = self._held.setdefault(tick.symbol, [])
        if held and self._jumps(held[-1], tick):
            held.clear()
        held.append(tick)
        return len(held) >= CONFIRMATIONS
