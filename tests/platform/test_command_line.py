"""`manage.py` with nothing running, and how long-running commands are stopped."""

import os
import signal
import subprocess
import sys
import threading

import psycopg2
import pytest
from django.db import OperationalError

import manage
from copytrading.env import BASE_DIR
from tests.fixtures import folders
from workers.management.options import stop_on_signals


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a data folder where nothing runs."""
    given = ("DATABASE_URL", "REDIS_URL", "MARKET_REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environ = {name: value for name, value in os.environ.items() if name not in given}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments, "--skip-checks"],
        cwd=BASE_DIR,
        env=environ | {"DATA_DIR": str(folders.fresh())},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "told", "variable"),
    [
        (("create_api_key", "trader", "--scopes", "read"), "PostgreSQL can't be reached: ", "DATABASE_URL"),
        (("dead_letters", "list"), "The ledger is unavailable: ", "REDIS_URL and MARKET_REDIS_URL"),
    ],
)
def test_a_server_that_is_not_there_is_told_in_one_line(arguments: tuple[str, ...], told: str, variable: str) -> None:
    done = run(*arguments)
    assert done.returncode == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(told)
    assert line.endswith(f"; start everything with make run, or check {variable}")


def test_errors_of_other_kinds_keep_their_traceback() -> None:
    assert manage._unreachable(ValueError("wrong")) is None
    answered = psycopg2.errors.DeadlockDetected.__new__(psycopg2.errors.DeadlockDetected)
    answered.__setstate__({"pgcode": "40P01"})
    wrapped = OperationalError("deadlock detected")
    wrapped.__cause__ = answered
    assert manage._unreachable(wrapped) is None
    wrapped.__cause__ = psycopg2.OperationalError("connection refused")
    assert manage._unreachable(wrapped) == (
        "PostgreSQL can't be reached: deadlock detected; start everything with make run, or check DATABASE_URL"
    )


def test_a_signal_that_interrupts_a_wait_ends_it() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = stop_on_signals()
        # The lock that wait() takes, held by the thread that the signal interrupts: set() itself would wait for ever.
        with stop._cond:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(0.05)
        assert stop.wait(10)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
