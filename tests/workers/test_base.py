"""The loop every worker runs in: retries, dead letters, split batches, outages, restarts, heartbeat, clean stop."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import pytest
import redis
from django.db import InterfaceError, OperationalError

from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from orders.book import keys
from orders.book.connection import ReplyLost, ledger
from orders.book.work import GROUP, Message, dead_letters
from tests.fixtures.book import Book
from tests.fixtures.outage import Patience
from workers import base
from workers.base import StreamWorker, Worker

QUEUE = "queue:test"


class Killed(BaseException):
    """As SIGKILL: nothing of the worker runs after it."""


class Recording(StreamWorker):
    """Keeps what it was given; `faults` are raised one a batch, `poison` by whatever batch has that word in it."""

    name: ClassVar[str] = "test_worker"
    queue: ClassVar[str] = "test"

    def __init__(self, consumer: str = "me", batch: int = 200, stop: threading.Event | None = None) -> None:
        super().__init__(consumer, batch, stop)
        self.batches: list[list[str]] = []
        self.done: list[str] = []
        self.faults: list[BaseException] = []
        self.poison = ""

    def handle(self, messages: Sequence[Message]) -> None:
        words = [message.fields["word"] for message in messages]
        self.batches.append(words)
        if self.faults:
            raise self.faults.pop(0)
        if self.poison in words:
            raise ValueError(f"{self.poison} can't be dealt with")
        self.done.extend(words)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends when there is nothing more waits for news only for a moment."""
    monkeypatch.setattr("orders.book.work.BLOCK_MS", 20)


@pytest.fixture
def tell(book: Book) -> Callable[..., None]:
    def tell(*words: str) -> None:
        for word in words:
            book.ledger.xadd(QUEUE, {"word": word})

    return tell


def pending(book: Book) -> int:
    """Taken by somebody and not acknowledged."""
    return int(book.ledger.xpending(QUEUE, GROUP)["pending"])


def test_everything_is_dealt_with_once_and_gone(book: Book, tell: Callable[..., None]) -> None:
    tell("a", "b", "c", "d", "e")
    worker = Recording(batch=2)
    worker.run(once=True)
    assert worker.batches == [["a", "b"], ["c", "d"], ["e"]]
    assert (book.ledger.xlen(QUEUE), pending(book)) == (0, 0)
    tell("f")
    worker.run(once=True)
    assert worker.done == ["a", "b", "c", "d", "e", "f"]


def test_what_was_told_before_the_first_worker_ever_is_dealt_with(book: Book, tell: Callable[..., None]) -> None:
    tell("early")
    Recording("one").prepare()
    worker = Recording("two")
    worker.run(once=True)
    assert worker.done == ["early"]


def test_a_batch_that_fails_is_split_until_the_culprit_is_alone(tell: Callable[..., None]) -> None:
    tell(*"abcdefgh")
    worker = Recording()
    worker.poison = "f"
    worker.prepare()
    worker.step()
    assert worker.batches == [list("abcdefgh"), list("abcd"), list("efgh"), list("ef"), ["e"], ["f"], list("gh")]
    assert worker.done == list("abcdegh")


def test_five_failures_bury_a_message_and_the_others_go_on(book: Book, tell: Callable[..., None]) -> None:
    tell("a", "bad", "b")
    worker = Recording()
    worker.poison = "bad"
    started_ms = clock.now_ms()
    worker.run(once=True)
    assert worker.done == ["a", "b"]
    assert worker.batches.count(["bad"]) == 5
    (letter,) = dead_letters(ledger(), "test")
    assert (letter.queue, letter.fields) == ("test", {"word": "bad"})
    assert letter.error == "ValueError: bad can't be dealt with"
    assert started_ms <= letter.died_at_ms <= clock.now_ms()
    assert (book.ledger.xlen(QUEUE), pending(book)) == (0, 0)


def test_four_failures_do_not(book: Book, tell: Callable[..., None]) -> None:
    tell("a")
    worker = Recording()
    worker.faults = [ValueError("not yet")] * 4
    worker.run(once=True)
    assert worker.done == ["a"]
    assert dead_letters(ledger(), "test") == []


OUTAGES = [
    LedgerUnavailable("away"),
    OutcomeUnknown("7"),
    ReplyLost("broken"),
    redis.exceptions.ConnectionError("refused"),
    redis.exceptions.TimeoutError("slow"),
    redis.exceptions.BusyLoadingError("loading"),
    OperationalError("could not serialize access"),
    InterfaceError("connection already closed"),
]


def test_outages_are_waited_out_and_never_counted(book: Book, tell: Callable[..., None]) -> None:
    tell("a", "b")
    worker = Recording(stop=Patience(100))
    worker.faults = list(OUTAGES)
    worker.run(once=True)
    assert worker.batches == [["a", "b"]] * (len(OUTAGES) + 1)  # whole, since it is nobody's fault
    assert worker.done == ["a", "b"]
    assert dead_letters(ledger(), "test") == []


def test_waiting_grows_up_to_a_limit(book: Book) -> None:
    worker = Recording(stop=Patience(100))
    waited = []
    for _ in range(10):
        worker._wait_out(ConnectionError())
        waited.append(worker._wait_s)
    assert waited == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_after_a_death_the_same_consumer_goes_on(book: Book, tell: Callable[..., None]) -> None:
    tell("a", "b", "c")
    first = Recording("me", batch=2)
    first.faults = [Killed()]
    with pytest.raises(Killed):
        first.run(once=True)
    assert pending(book) == 2
    tell("d")
    second = Recording("me", batch=2)
    second.run(once=True)
    assert second.batches == [["a", "b"], ["c", "d"]]
    assert (book.ledger.xlen(QUEUE), pending(book)) == (0, 0)


def test_a_death_after_the_work_repeats_it(
    book: Book, tell: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: that is why every handler must be harmless when repeated."""
    tell("a")
    first = Recording("me")
    monkeypatch.setattr(first, "_finish", lambda _: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        first.run(once=True)
    second = Recording("me")
    second.run(once=True)
    assert (first.done, second.done) == (["a"], ["a"])
    assert book.ledger.xlen(QUEUE) == 0


def test_what_a_dead_consumer_left_is_claimed(
    book: Book, tell: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell("a", "b")
    dead = Recording("dead")
    dead.faults = [Killed()]
    with pytest.raises(Killed):
        dead.run(once=True)
    patient = Recording("patient")
    patient.run(once=True)
    assert patient.done == []  # its owner may still be at work
    monkeypatch.setattr(base, "CLAIM_IDLE_MS", 0)
    heir = Recording("heir")
    heir.run(once=True)
    assert heir.done == ["a", "b"]
    assert (book.ledger.xlen(QUEUE), pending(book)) == (0, 0)


def test_claiming_follows_the_cursor_to_the_end(
    book: Book, tell: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"w{number}" for number in range(45)]
    tell(*words)
    dead = Recording("dead", batch=100)
    dead.faults = [Killed()]
    with pytest.raises(Killed):
        dead.run(once=True)
    monkeypatch.setattr(base, "CLAIM_IDLE_MS", 0)
    monkeypatch.setattr(base, "CLAIM_EVERY_S", -1.0)
    heir = Recording("heir", batch=2)
    heir.run(once=True)
    assert heir.done == words
    assert pending(book) == 0


def test_the_heartbeat_tells_time_process_and_lag(book: Book, tell: Callable[..., None]) -> None:
    before_ms = clock.now_ms()
    worker = Recording()
    worker.run(once=True)
    key = keys.heartbeat("test_worker", "me")
    told = book.market.hgetall(key)
    assert before_ms <= int(told["at_ms"]) <= clock.now_ms()
    assert (told["state"], told["lag"]) == ("working", "0")
    assert int(told["pid"]) > 0
    assert 0 < book.market.ttl(key) <= 20


def test_a_waiting_worker_is_seen_to_be_alive(book: Book, tell: Callable[..., None]) -> None:
    tell("a")
    worker = Recording(stop=Patience(1))
    worker.faults = [LedgerUnavailable("away")]
    worker.run()
    assert book.market.hget(keys.heartbeat("test_worker", "me"), "state") == "waiting"


def test_a_stop_lets_the_step_under_way_end(book: Book, tell: Callable[..., None]) -> None:
    tell("a", "b")

    class Stopped(Recording):
        def handle(self, messages: Sequence[Message]) -> None:
            self.stop.set()
            super().handle(messages)

    worker = Stopped(batch=1)
    worker.run()
    assert worker.done == ["a"]
    assert (book.ledger.xlen(QUEUE), pending(book)) == (1, 0)


def test_a_worker_of_steps_runs_until_there_is_no_more(book: Book) -> None:
    class Steps(Worker):
        name = "test_steps"
        left: ClassVar[Iterator[bool]] = iter([True, True, False, True])

        def step(self) -> bool:
            return next(self.left)

    worker = Steps("me")
    worker.run(once=True)
    assert list(worker.left) == [True]


def test_an_error_of_the_worker_itself_ends_it(book: Book) -> None:
    """A supervisor starts it again; going on with what is not understood would hide it."""

    class Broken(Worker):
        name = "test_broken"

        def step(self) -> bool:
            raise KeyError("x")

    with pytest.raises(KeyError):
        Broken("me").run()
