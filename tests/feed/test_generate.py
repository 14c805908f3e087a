"""The shipped file is what its generator writes, and fit to be played in a loop."""

import itertools
import zipfile
from pathlib import Path

from workers.feed import generate
from workers.feed.formats import recognise
from workers.feed.source import SHIPPED


def content(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_shipped_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    generate.write(tmp_path / SHIPPED.name)
    assert content(tmp_path / SHIPPED.name) == content(SHIPPED)
    assert SHIPPED.stat().st_size < 300_000


def test_the_shipped_file_loops_without_a_fault_or_a_jump() -> None:
    ticks = list(recognise(SHIPPED).ticks())
    assert len(ticks) == 8_755
    assert {tick.symbol for tick in ticks} == {"EURUSD"}
    assert all(one.moment_ms <= other.moment_ms <= one.moment_ms + 10_000 for one, other in itertools.pairwise(ticks))
    assert all(tick.bid < tick.ask for tick in ticks)
    assert (str(min(tick.bid for tick in ticks)), str(max(tick.bid for tick in ticks))) == ("1.09781", "1.10542")
    around = itertools.pairwise([*ticks, ticks[0]])
    assert max(abs(other.bid - one.bid) for one, other in around) < generate.TICK * 50
