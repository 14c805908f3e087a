"""Several calls at the very same moment, each in a thread of its own."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each of them gave, in order, after all were let go together. Raises what the first of them raised."""
    barrier = threading.Barrier(len(calls), timeout=30)

    def one(call: Callable[[], T]) -> T:
        try:
            barrier.wait()
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(one, calls))


class Gate:
    """Stands in a way of execution: whoever comes to it is held until it is opened."""

    def __init__(self) -> None:
        self._reached, self._open = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self._reached.set()
        assert self._open.wait(30), "nobody opened the gate"

    def wait_until_reached(self) -> None:
        assert self._reached.wait(30), "nobody came to the gate"

    def open(self) -> None:
        self._open.set()
