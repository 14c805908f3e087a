"""Recorded ticks played again: files merged by time, over and over, with their original gaps or quicker."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from workers.feed.formats import FormatError, Tick, TickFile, recognise

#: A gap in the recording longer than this (a night's lull, a weekend, the way back to the start) is cut ...
LONGEST_GAP_MS = 10_000
#: ... to this.
CUT_GAP_MS = 1_000


@dataclass(frozen=True, slots=True)
class Recording:
    """Files of one or more symbols. Those of one symbol follow each other, those of several run side by side."""

    files: tuple[TickFile, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file.symbol for file in self.files))

    def only(self, symbols: Iterable[str]) -> "Recording":
        wanted = set(symbols)
        return Recording(tuple(file for file in self.files if file.symbol in wanted))

    def ticks(self) -> Iterator[Tick]:
        """One pass through all files, merged by the time of the ticks."""
        of_symbol: defaultdict[str, list[TickFile]] = defaultdict(list)
        for file in self.files:
            of_symbol[file.symbol].append(file)
        chains = (itertools.chain.from_iterable(file.ticks() for file in files) for files in of_symbol.values())
        return heapq.merge(*chains, key=attrgetter("moment_ms"))


def find(path: Path, symbol: str | None = None) -> Recording:
    """The recording in a file, or in a folder with all its subfolders.

    A folder whose files tell their days is cut to the days that all its symbols have, so that none is
    silent for days while the others play. Raises FormatError when there is nothing to play.
    """
    if path.is_file():
        return Recording((recognise(path, symbol),))
    if not path.is_dir():
        raise FormatError(f"{path}: no such file or folder; give an existing one as the source")
    files = list(_tick_files(path, symbol))
    if not files:
        raise FormatError(f"{path}: no tick file in this folder; see `manage.py market_feed --help` for the formats")
    _check_one_venue(path, files)
    days_of = {name: {file.day for file in files if file.symbol == name} for name in {file.symbol for file in files}}
    common = set.intersection(*days_of.values())
    return Recording(tuple(file for file in files if not common or file.day in common))


def shifted(passes: Iterable[Iterable[Tick]], start_ms: int, speed: float) -> Iterator[Tick]:
    """The ticks of pass after pass, on a time axis that begins at `start_ms` and runs on through them all.

    Gaps are divided by `speed` after the long ones are cut. A tick behind one before it stays behind
    it, so that the handler sees what the source did, and holds up nobody.
    """
    elapsed_ms = 0
    for number, one_pass in enumerate(passes):
        latest_ms = None
        for tick in one_pass:
            if latest_ms is None:
                latest_ms = tick.moment_ms
                elapsed_ms += CUT_GAP_MS if number else 0
            elif tick.moment_ms > latest_ms:
                gap_ms = tick.moment_ms - latest_ms
                elapsed_ms += gap_ms if gap_ms <= LONGEST_GAP_MS else CUT_GAP_MS
                latest_ms = tick.moment_ms
            behind_ms = -int((tick.moment_ms - latest_ms) // speed)
            yield tick._replace(moment_ms=start_ms + int(elapsed_ms / speed) - behind_ms)
        if latest_ms is None:
            raise FormatError("the recording holds no ticks at all; choose another source")


def _tick_files(folder: Path, symbol: str | None) -> Iterator[TickFile]:
    """Every tick file below `folder`, by path, which is by day where names begin with it. Others are passed over."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                yield recognise(path, symbol)
            except FormatError:
                continue


def _check_one_venue(root: Path, files: Sequence[TickFile]) -> None:
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for file in files:
        folders[file.symbol].add(str(file.path.parent.relative_to(root)))
    for symbol, found in folders.items():
        if len(found) > 1:
            venues = " and in ".join(sorted(found))
            raise FormatError(f"{root}: {symbol} lies in {venues}; give the folder of one venue")
