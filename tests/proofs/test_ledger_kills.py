"""The ledger killed at every step of a command and of a recorder's pass: exactly once, and both sides agree.

Its reply may be lost in three ways: it was dead before anything was sent; it got the request and died before it did
anything; it did everything and died before the answer arrived.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import count
from typing import Any, Literal

import pytest
from pytest_django import Settings

from accounts.models import rows_of
from copytrading import embedded
from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import DEMO, LIVE
from orders.book import keys
from orders.book.account import load
from orders.book.connection import ledger
from orders.messages import Done
from orders.models import Deal, JournalEntry
from tests.fixtures import folders
from tests.fixtures.book import Book, forget
from tests.fixtures.floor import Floor, id_of
from tests.fixtures.sessions import let_prices_age
from tests.proofs.by_hand import sweep, work_off
from tests.proofs.steps import cut, watched
from workers.queues.record import RecordWorker

D = Decimal
pytestmark = pytest.mark.timeout(300)

Fate = Literal["dead before", "received only", "done and silent"]
FATES: tuple[Fate, ...] = ("dead before", "received only", "done and silent")
FAILURES = (LedgerUnavailable, OutcomeUnknown)
#: Nothing here takes as many steps; the loops end when one took fewer than the ledger was to die at.
MANY = 60


class Mortal:
    """A ledger that dies at one step of whoever works inside the block, and how often it died."""

    def __init__(self, server: embedded.Valkey) -> None:
        self.server = server
        self.deaths = 0

    @contextmanager
    def dies_at(self, number: int, fate: Fate, revived: Callable[[], None] | None = None) -> Iterator[None]:
        """At the sending of this number, counted from 1. `revived` is called at once after; else it stays dead."""
        sent, waiting = count(1), [False]

        def before(_: str) -> None:
            if next(sent) != number:
                return
            if fate == "dead before":
                self.die(revived)
            else:
                waiting[0] = True
                if fate == "received only":
                    os.kill(self.server.pid or 0, signal.SIGSTOP)

        def after(_: str) -> None:
            if not waiting[0]:
                return
            waiting[0] = False
            if fate == "done and silent":
                with self.server.client() as client:
                    client.ping()  # answered after whatever came before it was done
            self.die(revived)
            cut()

        with watched(before, after):
            yield
        if waiting[0]:  # nothing was read any more from it
            self.die(revived)

    def die(self, revived: Callable[[], None] | None) -> None:
        self.server.kill()
        self.deaths += 1
        if revived:
            revived()

    def revive(self) -> None:
        """Started, and opened by the sweeper, which compares it with the record."""
        self.server.start()
        sweep()


@pytest.fixture
def mortal(book: Book, settings: Settings, start_server: Callable[[embedded.Server], embedded.Server]) -> Mortal:
    """From now on the ledger of this process."""
    server = embedded.ledger(folders.fresh())
    start_server(server)
    settings.LEDGER_URL = server.url
    forget()
    return Mortal(server)


@pytest.fixture
def floor(mortal: Mortal, make_floor: Callable[..., Floor]) -> Floor:
    """On that ledger, and with prices that do not grow old while it is started anew."""
    sweep()
    made = make_floor()
    let_prices_age()
    return made


#: What is asked with a key, and whether it was done exactly once.
Asked = tuple[Callable[[str], Any], Callable[[], bool]]


def an_open(floor: Floor) -> Asked:
    before = len(floor.state().orders)
    return (
        lambda key: floor.open("0.01", stop_loss=D("1.0900"), key=key),
        lambda: len(floor.state().orders) == before + 1,
    )


def a_partial_close(floor: Floor) -> Asked:
    order_id = id_of(floor.open("0.03"))
    return lambda key: floor.close(order_id, "0.01", key=key), lambda: floor.order(order_id).open_lots == D("0.02")


def a_transfer(floor: Floor) -> Asked:
    def balances() -> tuple[Decimal, Decimal]:
        return floor.state(LIVE).portfolio.balance, floor.state(DEMO).portfolio.balance

    left, came = balances()
    return lambda key: floor.transfer(DEMO, "7", key=key), lambda: balances() == (left - 7, came + 7)


@pytest.mark.parametrize("prepare", [an_open, a_partial_close, a_transfer])
def test_at_any_step_of_a_command(floor: Floor, mortal: Mortal, prepare: Callable[[Floor], Asked]) -> None:
    """Killed, started, opened by the sweeper; sent again with its key it was done once and answers as it did."""
    done_before: Counter[Fate] = Counter()
    for number in range(1, MANY):
        deaths = mortal.deaths
        for fate in FATES:
            ask, once = prepare(floor)
            outcome = None
            with mortal.dies_at(number, fate), suppress(*FAILURES):
                outcome = ask(f"{fate} {number}")
            if mortal.server.pid is None:
                mortal.revive()
            again = ask(f"{fate} {number}")
            assert isinstance(again, Done)
            if isinstance(outcome, Done):
                assert again.replayed
                assert again.command_id == outcome.command_id
            done_before[fate] += again.replayed and outcome is None
            sweep()  # finishes a transfer
            assert once(), (number, fate)
        floor.record()
        assert floor.differences() == []
        if mortal.deaths == deaths:
            break
    assert 3 < number < MANY - 1, "a command took this many steps"
    assert done_before["done and silent"] > 0
    assert mortal.deaths > done_before.total()
    answered = JournalEntry.objects.exclude(command_id="")
    assert answered.values("account", "command_id").distinct().count() == answered.count()


@pytest.mark.parametrize("fate", FATES)
def test_at_any_step_of_a_recorder(floor: Floor, mortal: Mortal, fate: Fate) -> None:
    """The recorder lives on and finishes; each entry is recorded once, the journal is trimmed to the mark."""
    ref = floor.ref(LIVE)
    work_off()
    for number in range(1, MANY):
        deaths = mortal.deaths
        closed = id_of(floor.open("0.1"))
        assert isinstance(floor.close(closed), Done)
        with mortal.dies_at(number, fate, mortal.revive):
            RecordWorker("survivor").run(once=True)
        sweep()
        work_off()
        version = load(ref).portfolio.version
        assert rows_of(LIVE).get(pk=ref.id).recorded_version == version
        assert JournalEntry.objects.filter(account=str(ref)).count() == version
        assert Deal.objects.filter(order_id=closed).count() == 2
        (marks,) = ledger().run([(keys.marks(ref), ("HGETALL", keys.marks(ref)))])
        assert marks == {"record": str(version), "index": str(version)}
        if mortal.deaths == deaths:
            break
    assert 8 < number < MANY - 1, "the recorder took this many steps"
    assert floor.differences() == []
