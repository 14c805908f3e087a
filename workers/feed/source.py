"""Where ticks come from: a recording played in a loop with the other instruments simulated beside it, or simulation."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.feed.formats import FormatError, Tick
from workers.feed.replay import Recording, shifted

#: Generated, not recorded: see the README beside it.
SHIPPED = Path(__file__).parent / "data" / "eurusd" / "20260105_quote.zip"
SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Source:
    """`path` is a tick file or a folder of them, None for simulation alone. `speed` divides the recording's gaps."""

    path: Path | None
    speed: float = 1.0


def parse(text: str) -> Source:
    """From `simulated`, `PATH`, `PATH@10` or either path with `replay:` before it; empty is the shipped file."""
    if text == SIMULATED:
        return Source(None)
    rest = text.removeprefix("replay:")
    if not rest:
        return Source(SHIPPED)
    path, at, factor = rest.rpartition("@")
    speed = _number(factor) if at else None
    if speed is None:
        return Source(Path(rest).expanduser())
    return Source(Path(path).expanduser(), checked_speed(speed))


def checked_speed(speed: float) -> float:
    if not (math.isfinite(speed) and speed > 0):
        raise FormatError(f"a speed of {speed} plays nothing; give a number above 0, such as 10")
    return speed


def play(
    recording: Recording | None, made_up: Iterator[Tick], speed: float, start_ms: int, *, once: bool
) -> Iterator[Tick]:
    """All ticks by time, beginning at `start_ms`, for ever; with `once`, until the recording ends.

    With `once` and no recording: the made-up ticks of the first moment, which are one of each instrument.
    """
    if recording is None:
        return itertools.takewhile(lambda tick: tick.moment_ms <= start_ms, made_up) if once else made_up
    passes = (recording.ticks() for _ in (range(1) if once else itertools.count()))
    return beside(shifted(passes, start_ms, speed), made_up)


def beside(recorded: Iterable[Tick], made_up: Iterator[Tick]) -> Iterator[Tick]:
    """Both by time, ending with `recorded`. A recorded tick behind the one before it comes at once."""
    coming = next(made_up, None)
    for tick in recorded:
        while coming is not None and coming.moment_ms <= tick.moment_ms:
            yield coming
            coming = next(made_up, None)
        yield tick


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
