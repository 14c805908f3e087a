"""Logs that don't fill the disk, and the last error in one."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST = 10_000_000  # bytes; what is longer is put aside, over what was put aside before
_LOOKED_AT = 100_000  # bytes at its end are looked at for an error
_LONGEST_ERROR = 300
_GRAVE = ('"level": "error"', '"level": "critical"')


def cut(log: Path) -> bool:
    """Puts a log that grew too long aside and empties it, be it written to or not. True if it was cut.

    Copied and emptied rather than renamed: whoever has it open to append goes on at its new beginning. What
    is written between the two is lost, and what a full disk has no room for.
    """
    if not log.exists() or log.stat().st_size <= LONGEST:
        return False
    with suppress(OSError):
        shutil.copyfile(log, log.with_suffix(".old.log"))
    os.truncate(log, 0)
    return True


def last_error(log: Path) -> str:
    """Time, event and what else the last error line says, "" without one near the end. Lines are as LOG_FORMAT=json."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOOKED_AT))
        lines = file.read().decode(errors="replace").splitlines()
    for line in reversed(lines):
        if any(mark in line for mark in _GRAVE):
            with suppress(ValueError):  # half of a line
                return _in_words(json.loads(line))
    return ""


def _in_words(told: dict[str, Any]) -> str:
    when, event = str(told.pop("timestamp", ""))[:19], told.pop("event", "")
    rest = ", ".join(f"{name} {value}" for name, value in told.items() if name not in ("level", "logger"))
    return f"{when} {event}: {rest}"[:_LONGEST_ERROR]
