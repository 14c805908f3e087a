"""Every step a process takes towards Redis or PostgreSQL, made visible, so that a test can end it between any two.

A step is one sending to Redis (a whole pipeline), one statement, one COPY, or one commit; what a connection
says when it is made is part of the step that needs it. What a process does between two steps it does in
its own memory alone, so a death before the next step is a death anywhere since the last.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from redis.connection import AbstractConnection

from orders import copy_rows

OnStep = Callable[[str], None]
_HELLOS = ("HELLO", "CLIENT", "PING", "INFO", "SISMEMBER ledger_cleared", "SQL SELECT pg_catalog", "SQL SET ")


class Crash(BaseException):
    """The process died here: nothing catches it but a test, and nothing that was in memory is used again."""


@contextmanager
def watched(before: OnStep, after: OnStep | None = None) -> Iterator[None]:
    """`before` is called with a step's name just before it is taken; `after` before a reply of Redis is read."""
    with pytest.MonkeyPatch.context() as patch:

        def told(owner: Any, name: str, on_step: OnStep, called: Callable[..., str]) -> None:
            original = getattr(owner, name)

            def step(*args: Any, **named: Any) -> Any:
                if not (taken := called(*args, **named)).startswith(_HELLOS):
                    on_step(taken)
                return original(*args, **named)

            patch.setattr(owner, name, step)

        told(AbstractConnection, "send_packed_command", before, _redis_name)
        told(CursorWrapper, "_execute", before, lambda _, sql, *__: f"SQL {str(sql)[:60]}")
        told(copy_rows, "_copy", before, lambda table, *_: f"COPY {table.string}")
        told(BaseDatabaseWrapper, "_commit", before, lambda _: "COMMIT")
        if after is not None:
            told(AbstractConnection, "read_response", after, lambda *_, **__: "reply")
        yield


def ends_at(number: int, end: Callable[[], Any]) -> OnStep:
    """Calls `end` before the step of this number, counted from 1."""
    taken = 0

    def step(_: str) -> None:
        nonlocal taken
        taken += 1
        if taken == number:
            end()

    return step


def cut() -> None:
    """What redis-py raises when a connection breaks."""
    raise redis.exceptions.ConnectionError("cut by the test")


def _redis_name(_: Any, command: Any, *__: Any, **___: Any) -> str:
    parts = [command] if isinstance(command, str | bytes) else list(command)
    first = parts[0] if parts else b""
    words = (first if isinstance(first, bytes) else first.encode()).split(b"\r\n")
    return " ".join(word.decode(errors="replace") for word in words[2:12:2] if len(word) < 50)
