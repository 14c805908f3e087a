"""Logs that don't fill the disk."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

LONGEST = 10_000_000  # bytes; what is longer is put aside, over what was put aside before


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
