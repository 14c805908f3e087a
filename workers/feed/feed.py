"""market_feed: ticks of a source, through the handlers, onto the market instance."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from copytrading.kernel import clock
from orders.book import quotes
from orders.book.connection import market
from workers.base import Worker
from workers.feed.formats import FormatError, Tick
from workers.feed.handler import Handler
from workers.feed.pace import due
from workers.feed.publisher import Publisher
from workers.feed.replay import Recording, find
from workers.feed.simulate import Simulated, simulate
from workers.feed.source import Source, play

#: The names under which quotes stand in the book: sequences are compared within one of them.
REPLAY, SIMULATED = "replay", "simulated"
REPORT_EVERY_S = 60


@dataclass(frozen=True, slots=True)
class Programme:
    """What is played, and what is made up beside it. `tick_sizes` has every instrument of the catalogue."""

    recording: Recording | None
    speed: float
    simulated: tuple[Simulated, ...]
    tick_sizes: Mapping[str, Decimal]
    seed: int
    once: bool


def programme(
    source: Source, instruments: Sequence[Simulated], *, symbol: str | None = None, seed: int = 1, once: bool = False
) -> Programme:
    """Raises FormatError when the source can't be played or holds none of the instruments."""
    sizes = {instrument.symbol: instrument.tick for instrument in instruments}
    recording = None
    if source.path is not None:
        found = find(source.path, symbol)
        recording = found.only(sizes)
        if not recording.files:
            held = ", ".join(found.symbols)
            raise FormatError(f"{source.path}: holds {held}, none of which is an instrument; add one or give --symbol")
    played = set(recording.symbols) if recording else set()
    beside = tuple(instrument for instrument in instruments if instrument.symbol not in played)
    return Programme(recording, source.speed, beside, sizes, seed, once)


class MarketFeed(Worker):
    """One step publishes the ticks that are due, or waits up to a second for some.

    An outage of the instance costs the ticks of its time; the schedule goes on from where it was.
    """

    name = "market_feed"

    def __init__(
        self, programme: Programme, consumer: str = "", batch: int = 200, stop: threading.Event | None = None
    ) -> None:
        super().__init__(consumer, batch, stop)
        self._programme = programme
        self._begun: tuple[Publisher, Iterator[list[Tick]]] | None = None
        self._reported_at = clock.monotonic()

    def prepare(self) -> None:
        if self._begun is None:
            self._begun = self._begin()

    def step(self) -> bool:
        assert self._begun is not None, "prepare comes before the first step"  # nosec B101
        publisher, batches = self._begun
        batch = next(batches, None)
        if batch:
            publisher.publish(batch)
        if clock.monotonic() - self._reported_at >= REPORT_EVERY_S:
            self._reported_at = clock.monotonic()
            publisher.report()
        return batch is not None

    def run(self, once: bool = False) -> None:
        super().run(once)
        if self._begun is not None:
            self._begun[0].report()

    def lag(self) -> dict[str, str]:
        """How many quotes were published since the start."""
        return {"published": str(self._begun[0].published)} if self._begun is not None else {}

    def _begin(self) -> tuple[Publisher, Iterator[list[Tick]]]:
        """Goes on where an earlier run stopped: with its sequences, and for simulated symbols with its prices."""
        client, ours = market(), self._programme
        played, made_up = (
            Handler(feed, quotes.resume_sequence(client, feed, ours.tick_sizes), ours.tick_sizes)
            for feed in (REPLAY, SIMULATED)
        )
        publisher = Publisher(client, played, {instrument.symbol: made_up for instrument in ours.simulated})
        last = quotes.read(client, [instrument.symbol for instrument in ours.simulated]).quotes
        mids = {symbol: (quote.bid + quote.ask) / 2 for symbol, quote in last.items()}
        start_ms = clock.now_ms()
        beside = simulate(ours.simulated, mids, ours.seed, start_ms)
        ticks = play(ours.recording, beside, ours.speed, start_ms, once=ours.once)
        files = ours.recording.files if ours.recording else ()
        symbols = sorted({file.symbol for file in files})
        self._log.info(
            "feed_started", recorded=symbols, files=len(files), speed=ours.speed, simulated=len(ours.simulated)
        )
        return publisher, due(ticks, start_ms, self.batch, clock.monotonic, self.stop.wait)
