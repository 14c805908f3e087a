"""The loop every worker runs in: pace, waiting out what is down, retries, dead letters, heartbeat, clean stop.

A worker takes messages, calls one function of the domain and acknowledges. What is not the fault of a
message (a server away, a lost race) is waited out without limit; a message that fails by itself five
times goes to the dead letters. A batch that fails is split until the culprit is alone.
"""

import os
import random
import socket
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import redis
import structlog
from django.db import InterfaceError, OperationalError, close_old_connections

from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from orders.book import keys
from orders.book.connection import ReplyLost, ledger, market
from orders.book.work import Message, WorkStream

#: Not the fault of any message: waited out.
OUTAGES = (
    LedgerUnavailable,
    OutcomeUnknown,
    ReplyLost,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    OperationalError,
    InterfaceError,
)
TRIES = 5
CLAIM_IDLE_MS = 60_000
CLAIM_EVERY_S = 30.0
HEARTBEAT_EVERY_S = 5.0
HEARTBEAT_LIFE_S = 20
_LONGEST_WAIT_S = 5.0
_log = structlog.get_logger(__name__)


def default_consumer() -> str:
    return f"{socket.gethostname().replace('_', '-')[:40]}-{os.getpid()}"


class Worker(ABC):
    """`step` does one bounded piece of work and says whether there may be more at once."""

    name: ClassVar[str]

    def __init__(self, consumer: str = "", batch: int = 200, stop: threading.Event | None = None) -> None:
        self.consumer = consumer or default_consumer()
        self.batch = batch
        self.stop = stop or threading.Event()
        self._log = _log
        self._wait_s = 0.0
        self._beat_at = float("-inf")

    def prepare(self) -> None:  # noqa: B027  most workers need no preparation
        """Called once before the first step, and again after an outage."""

    @abstractmethod
    def step(self) -> bool: ...

    def lag(self) -> dict[str, str]:
        """What the heartbeat tells beside the time."""
        return {}

    def run(self, once: bool = False) -> None:
        """Until stopped; with `once`, until there is nothing more to do. Every line of it names the worker."""
        with structlog.contextvars.bound_contextvars(worker=self.name, consumer=self.consumer):
            self._log.info("worker_started")
            self._work(once)
            self._log.info("worker_stopped")

    def _work(self, once: bool) -> None:
        prepared = False
        while not self.stop.is_set():
            try:
                if not prepared:
                    self.prepare()
                    prepared = True
                busy = self.step()
                self._wait_s = 0.0
                self._beat()
            except OUTAGES as error:
                prepared = False
                busy = True
                self._wait_out(error)
            if once and not busy:
                break

    def _wait_out(self, error: Exception) -> None:
        self._wait_s = min(_LONGEST_WAIT_S, max(0.05, self._wait_s * 2))
        self._log.warning("waiting", error=f"{type(error).__name__}: {error}", wait_s=round(self._wait_s, 2))
        close_old_connections()
        with suppress(redis.exceptions.RedisError):  # it may be the market instance that is away
            self._beat(state="waiting")
        self.stop.wait(self._wait_s * random.uniform(0.5, 1.0))

    def _beat(self, state: str = "working") -> None:
        if clock.monotonic() - self._beat_at < HEARTBEAT_EVERY_S:
            return
        self._beat_at = clock.monotonic()
        key = keys.heartbeat(self.name, self.consumer)
        told: dict[Any, Any] = {"at_ms": str(clock.now_ms()), "pid": str(os.getpid()), "state": state}
        if state == "working":  # what to tell may have to be asked of what is away
            told |= self.lag()
        market().hset(key, mapping=told)
        market().expire(key, HEARTBEAT_LIFE_S)


class StreamWorker(Worker):
    """Takes messages of one work stream in batches."""

    queue: ClassVar[str]

    def __init__(self, consumer: str = "", batch: int = 200, stop: threading.Event | None = None) -> None:
        super().__init__(consumer, batch, stop)
        self._stream = WorkStream(ledger(), self.queue, self.consumer)
        self._unfinished: list[Message] = []
        self._tries: Counter[str] = Counter()
        self._claimed_at = float("-inf")

    @abstractmethod
    def handle(self, messages: Sequence[Message]) -> None:
        """Deals with all of them, or raises. Must be harmless when repeated."""

    def prepare(self) -> None:
        self._stream = WorkStream(ledger(), self.queue, self.consumer)
        self._stream.prepare()
        self._unfinished = self._stream.own(self.batch)

    def lag(self) -> dict[str, str]:
        return {"lag": str(self._stream.length())}

    def step(self) -> bool:
        messages = self._next()
        if not messages:
            return False
        self._unfinished = messages
        self._deal(messages)
        return True

    def _next(self) -> list[Message]:
        if self._unfinished:
            return self._unfinished
        if clock.monotonic() - self._claimed_at > CLAIM_EVERY_S:
            self._claimed_at = clock.monotonic()
            if claimed := self._stream.claim(CLAIM_IDLE_MS, self.batch):
                return claimed
        return self._stream.read(self.batch)

    def _deal(self, messages: Sequence[Message]) -> None:
        try:
            self.handle(messages)
        except OUTAGES:
            raise
        except Exception as error:
            if len(messages) > 1:
                middle = len(messages) // 2
                self._deal(messages[:middle])
                self._deal(messages[middle:])
                return
            self._failed(messages[0], error)
        else:
            self._finish(messages)

    def _failed(self, message: Message, error: Exception) -> None:
        self._tries[message.id] += 1
        tries = self._tries[message.id]
        named = {name: message.fields[name] for name in ("account", "order") if name in message.fields}
        about = self._log.bind(message=message.id, **named)
        about.error("message_failed", fields=message.fields, tries=tries, exc_info=error)
        if tries < TRIES:
            return
        self._stream.bury(message, f"{type(error).__name__}: {error}")
        self._forget([message])
        about.critical("message_buried", advice="manage.py dead_letters show")

    def _finish(self, messages: Sequence[Message]) -> None:
        self._stream.acknowledge(messages)
        self._forget(messages)

    def _forget(self, messages: Sequence[Message]) -> None:
        gone = {message.id for message in messages}
        self._unfinished = [message for message in self._unfinished if message.id not in gone]
        for message in messages:
            self._tries.pop(message.id, None)
