"""A power cut for a ledger: it is killed, and its files are cut back to what its last completed fsync covered.

SIGKILL alone loses nothing: what was written is in the system's memory and reaches the disk all the same. `synced.c`,
preloaded into the server, notes what each fsync has covered; what was written after that a power cut may take.
"""

import os
import shutil
import stat
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from copytrading import embedded
from tests.fixtures import folders

_SOURCE = Path(__file__).with_name("synced.c")

#: Where there is a C compiler; `REQUIRE_COMPILER=1` says that there must be one.
CAN_BE_CUT = shutil.which("cc") is not None or os.environ.get("REQUIRE_COMPILER") == "1"
needs_compiler = pytest.mark.skipif(
    not CAN_BE_CUT,
    reason="a power cut is emulated by a small C library, and there is no C compiler (cc) here",
)


@cache
def library() -> Path:
    """`synced.c`, compiled. Raises FileNotFoundError when there is no compiler."""
    made = folders.of_this_run() / "synced.so"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", made, _SOURCE, "-ldl"], check=True)
    made.chmod(0o755)
    return made


def noting(notes: Path) -> dict[str, str]:
    """What to add to a server's environment so that it notes what is on the disk."""
    return {"LD_PRELOAD": str(library()), "SYNCED_NOTES": str(notes)}


def covered(notes: Path) -> dict[tuple[int, int], int]:
    """(device, inode) -> how much of that file the last fsync of it covered."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return {(device, inode): size for device, inode, size in (map(int, line.split()) for line in lines)}


def uncovered(folder: Path, notes: Path) -> dict[Path, tuple[int, int]]:
    """Every file below `folder` that is longer than what is on the disk for certain, with both sizes."""
    known = covered(notes)
    found = {}
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # renamed or removed just now
            seen = file.stat()
            on_disk = known.get((seen.st_dev, seen.st_ino), 0)
            if stat.S_ISREG(seen.st_mode) and seen.st_size > on_disk:
                found[file] = (seen.st_size, on_disk)
    return found


def cut_back(folder: Path, notes: Path, tearing: Random | None = None) -> int:
    """What a power cut leaves of these files, whose server does not run any more. Gives the number of bytes lost.

    A disk may have written some of what it was not asked to finish: with `tearing` chance says how much of it is left.
    """
    lost = 0
    for file, (size, on_disk) in uncovered(folder, notes).items():
        left = tearing.randrange(on_disk, size) if tearing else on_disk
        os.truncate(file, left)
        lost += size - left
    return lost


class PoweredLedger(embedded.Valkey):
    """A ledger that can lose its power."""

    def __init__(self, folder: Path, **config: str) -> None:
        super().__init__(folder, port=0, **(embedded.LEDGER_CONFIG | config))
        self.notes = self.folder.with_name(f"{self.folder.name}.synced")

    def cut_power(self) -> int:
        """The number of bytes that were lost. It does not run afterwards."""
        self.kill()
        return cut_back(self.folder, self.notes)

    def at_risk(self) -> int:
        """How many bytes a power cut would take now."""
        return sum(size - on_disk for size, on_disk in uncovered(self.folder, self.notes).values())

    def _run_as(self) -> dict[str, Any]:
        return {**super()._run_as(), "env": os.environ | noting(self.notes)}
