"""When each tick is due: batches of a few milliseconds on a clock that is handed in."""

from collections.abc import Callable, Iterable, Iterator

from workers.feed.formats import Tick

#: Ticks due within this time of each other go out together, so that a burst costs a hundred batches a second at most.
GATHER_MS = 10
#: An empty batch comes after this long without a tick, for the caller's periodic work.
IDLE_MS = 1_000
#: Behind by more than this (the machine slept, the instance was away), the schedule gives way instead of rushing after.
LATE_MS = 1_000


def due(
    ticks: Iterable[Tick], start_ms: int, longest: int, monotonic: Callable[[], float], wait: Callable[[float], bool]
) -> Iterator[list[Tick]]:
    """The ticks in batches of at most `longest`, as they fall due; the one at `start_ms` is due now.

    `wait` sleeps so many seconds and says whether to stop, like `threading.Event.wait`.
    """
    origin_ms = monotonic() * 1_000 - start_ms
    latest_ms = start_ms
    batch: list[Tick] = []
    for tick in ticks:
        # A tick behind the one before it is due with it; one that is early by less than a millisecond is due.
        latest_ms = max(latest_ms, tick.moment_ms)
        early_ms = latest_ms + origin_ms - monotonic() * 1_000
        if early_ms >= 1 or len(batch) >= longest:
            if batch:
                yield batch
                batch = []
            while (early_ms := latest_ms + origin_ms - monotonic() * 1_000) >= 1:
                if wait(min(max(early_ms, GATHER_MS), IDLE_MS) / 1_000):
                    return
                if early_ms > IDLE_MS:
                    yield []
        if early_ms < -LATE_MS:
            origin_ms -= early_ms
        batch.append(tick)
    if batch:
        yield batch
