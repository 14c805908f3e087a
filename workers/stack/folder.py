"""The data folder: one stack at a time works in it, and `reset` empties it of what a stack made."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import psutil

from copytrading import embedded
from copytrading.env import unusable
from workers.stack.refusal import StackRefused

#: Marks the processes of a stack, with its data folder as the value, so that orphans are found.
MARK = "COPYTRADING_STACK"

_LOCK = "stack.lock"
_MADE = ("ledger", "market", "postgresql", "postgresql.new", "logs", "metrics")
_COUNTS = re.compile(r"(counter|histogram)_[0-9]+\.db", re.ASCII)
_KEPT_FILES = ("demo_password", "secret_key", _LOCK)


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """The lock goes with the process, however it ends. Raises StackRefused when another one holds it."""
    with _opened(data_dir) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackRefused(
                f"It already runs in {data_dir} (process {lock.read().strip()}). "
                "Stop that one first, or choose another folder and port: DATA_DIR=.data2 WEB_PORT=8001 make run"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _opened(data_dir: Path) -> TextIO:
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        return (data_dir / _LOCK).open("a+")
    except OSError as error:
        raise StackRefused(unusable(data_dir, error)) from error


def end_orphans(data_dir: Path) -> int:
    """Ends what a killed supervisor left behind, servers excepted: those are ended when they are started anew."""
    orphans = [process for process in psutil.process_iter() if _mark_of(process) == str(data_dir)]
    for process in orphans:
        process.terminate()
    _, alive = psutil.wait_procs(orphans, timeout=10)
    for process in alive:
        process.kill()
    return len(orphans)


def forget_counts(metrics_dir: Path) -> None:
    """What the processes of the last run have counted. Theirs alone: the folder may be one that others use as well."""
    for file in metrics_dir.glob("*.db"):
        if _COUNTS.fullmatch(file.name):
            file.unlink()


def reset(data_dir: Path) -> None:
    """Removes what a stack made, and nothing else that may lie in the folder."""
    with held(data_dir):
        end_orphans(data_dir)
        embedded.end_orphans(*(data_dir / name for name in _MADE))
        for name in _MADE:
            shutil.rmtree(data_dir / name, ignore_errors=True)
        for path in (*data_dir.glob("celerybeat-schedule*"), *(data_dir / name for name in _KEPT_FILES)):
            path.unlink(missing_ok=True)


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return None if process.pid == os.getpid() else process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None
