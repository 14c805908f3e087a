"""Readers of recorded ticks: one file each, a line at a time; what can't be read is named by file and line.

| format | file | line | time zone |
|---|---|---|---|
| Lean | zip of `YYYYMMDD_<symbol>_tick_quote.csv` | `ms since midnight,bid,ask` | UTC; UTC-05 in a folder `fxcm` |
| TrueFX | csv, csv.gz, header `timestamp,bid,ask` | `2013-01-01 22:00:00.295+00:00,86.6,86.7` | as written, else UTC |
| HistData | csv, csv.gz, no header | `YYYYMMDD HHMMSSmmm,bid,ask,0` | UTC-05, no daylight saving |

A tick's prices are not judged here: crossed, backward and absurd ones are the handler's business.
"""

import gzip
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from typing import IO, NamedTuple

from copytrading.kernel.decimals import parse_plain
from copytrading.kernel.ids import is_symbol

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
#: Folder of a Lean market -> hours its days are behind UTC (Lean's market-hours database, `dataTimeZone`); others 0.
LEAN_HOURS_BEHIND_UTC = {"oanda": 0, "fxcm": 5}
HISTDATA_HOURS_BEHIND_UTC = 5
TRUEFX_HEADER = "timestamp,bid,ask"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LEAN_MEMBER = re.compile(r"([0-9]{8})_([a-z0-9]+)_tick_quote\.csv", re.ASCII)
_HISTDATA_LINE = re.compile(r"[0-9]{8} [0-9]{9},", re.ASCII)
_SYMBOL_IN_NAME = re.compile(r"(?:^|[^A-Za-z])([A-Za-z]{6})(?![A-Za-z])", re.ASCII)
_DAMAGED = (zipfile.BadZipFile, gzip.BadGzipFile, EOFError)

#: One line of a file as (milliseconds since 1970 UTC, bid, ask). Raises ValueError with what is wrong about it.
Parse = Callable[[str], tuple[int, Decimal, Decimal]]


class Tick(NamedTuple):
    """One touch as a source gave it. `moment_ms` is the source's own time, in milliseconds since 1970 UTC."""

    moment_ms: int
    symbol: str
    bid: Decimal
    ask: Decimal


class FormatError(Exception):
    """A file that can't be read as ticks. The message begins with the file and, where known, the line."""


@dataclass(frozen=True, slots=True)
class TickFile:
    """A file whose format is known. `day` is YYYYMMDD where the file tells it, else empty."""

    path: Path
    symbol: str
    day: str
    header: bool
    parse: Parse

    def ticks(self) -> Iterator[Tick]:
        """All ticks in file order. Raises FormatError at the first line that is not one."""
        number = 0
        try:
            with _opened(self.path) as lines:
                for number, line in enumerate(lines, 1):
                    if number > 1 or not self.header:
                        moment_ms, bid, ask = self.parse(line.rstrip("\r\n"))
                        yield Tick(moment_ms, self.symbol, bid, ask)
        except _DAMAGED as error:
            raise FormatError(f"{self.path}: damaged after line {number} ({error}); copy the file anew") from error
        except ValueError as error:
            raise FormatError(f"{self.path}:{number}: {error}; mend or remove this line") from error


def recognise(path: Path, symbol: str | None = None) -> TickFile:
    """The file with its format, found by name and content. `symbol` goes before the one in the file's name.

    Raises FormatError for anything that does not hold bid/ask ticks.
    """
    try:
        if path.suffix == ".zip":
            return _lean(path, symbol)
        if path.name.endswith((".csv", ".csv.gz")):
            return _table(path, symbol)
    except (*_DAMAGED, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: damaged ({error}); copy the file anew") from error
    raise FormatError(f"{path}: not a tick file; give a Lean quote .zip, or a TrueFX or HistData .csv or .csv.gz")


def _lean(path: Path, symbol: str | None) -> TickFile:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    member = _LEAN_MEMBER.fullmatch(names[0]) if len(names) == 1 else None
    if member is None:
        held = ", ".join(names[:3]) or "nothing"
        raise FormatError(f"{path}: holds {held}; a zip of ticks holds one YYYYMMDD_<symbol>_tick_quote.csv")
    day, named = member.groups()
    folders = reversed(path.resolve().parts)
    behind = next((LEAN_HOURS_BEHIND_UTC[folder] for folder in folders if folder in LEAN_HOURS_BEHIND_UTC), 0)
    try:
        midnight_ms = _midnight_ms(day) + behind * HOUR_MS
    except ValueError as error:
        raise FormatError(f"{path}: {error} in the name {names[0]}") from error

    def parse(line: str) -> tuple[int, Decimal, Decimal]:
        since_midnight, bid, ask = _columns(line, 3)
        within = parse_plain(since_midnight)
        if within is None or not 0 <= within < DAY_MS:
            raise ValueError(f"{since_midnight!r} is not a number of milliseconds within a day")
        return midnight_ms + int(within), _price(bid), _price(ask)

    return TickFile(path, _checked(path, symbol or named), day, header=False, parse=parse)


def _table(path: Path, symbol: str | None) -> TickFile:
    with _opened(path) as lines:
        first = next(lines, "").rstrip("\r\n")
    in_name = _SYMBOL_IN_NAME.search(path.name.split(".")[0])
    name = symbol or (in_name[1] if in_name else "")
    if first == TRUEFX_HEADER:
        return TickFile(path, _checked(path, name), "", header=True, parse=_truefx)
    if _HISTDATA_LINE.match(first):
        return TickFile(path, _checked(path, name), "", header=False, parse=_histdata)
    raise FormatError(
        f"{path}:1: {first[:60]!r} begins no tick file; "
        f"TrueFX begins with {TRUEFX_HEADER}, HistData with YYYYMMDD HHMMSSmmm,bid,ask"
    )


def _truefx(line: str) -> tuple[int, Decimal, Decimal]:
    written, bid, ask = _columns(line, 3)
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND, _price(bid), _price(ask)


def _histdata(line: str) -> tuple[int, Decimal, Decimal]:
    written, bid, ask = _columns(line, 3)
    if not _HISTDATA_LINE.match(line):
        raise ValueError(f"{written!r} is not a time written YYYYMMDD HHMMSSmmm")
    hours, minutes, seconds = int(written[9:11]), int(written[11:13]), int(written[13:15])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"{written!r} is no time of a day")
    within_ms = ((hours * 60 + minutes) * 60 + seconds) * 1_000 + int(written[15:18])
    return _midnight_ms(written[:8]) + HISTDATA_HOURS_BEHIND_UTC * HOUR_MS + within_ms, _price(bid), _price(ask)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The lines of a file as they are, or from inside its compression."""
    with ExitStack() as stack:
        if path.suffix == ".zip":
            archive = stack.enter_context(zipfile.ZipFile(path))
            member = stack.enter_context(archive.open(archive.namelist()[0]))
            yield TextIOWrapper(member, encoding="ascii")
        elif path.suffix == ".gz":
            yield stack.enter_context(gzip.open(path, "rt", encoding="ascii"))
        else:
            yield stack.enter_context(path.open(encoding="ascii"))


def _columns(line: str, wanted: int) -> list[str]:
    columns = line.split(",")
    if len(columns) < wanted:
        raise ValueError(f"{line[:60]!r} has {len(columns)} columns where {wanted} are needed")
    return columns[:wanted]


def _price(text: str) -> Decimal:
    price = parse_plain(text)
    if price is None:
        raise ValueError(f"{text!r} is not a price in plain digits")
    return price


def _checked(path: Path, name: str) -> str:
    symbol = name.upper()
    if not is_symbol(symbol):
        raise FormatError(f"{path}: the name tells no instrument; name it like eurusd-2020-01.csv, or give the symbol")
    return symbol


@lru_cache(maxsize=64)
def _midnight_ms(day: str) -> int:
    """00:00 UTC of a day written YYYYMMDD."""
    try:
        return (datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
    except ValueError:
        raise ValueError(f"{day!r} is no day written YYYYMMDD") from None
