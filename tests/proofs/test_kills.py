"""SIGKILL between any two steps of a recorder and of a monitor: after a restart nothing is lost, or done twice."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import pytest

from accounts.models import rows_of
from copytrading.kernel.ids import LIVE
from orders.book import keys, quotes
from orders.book.account import load
from orders.book.connection import ledger
from orders.messages import Done
from orders.models import Deal, JournalEntry
from orders.recorder import TERMINAL_LIFE_S
from tests.fixtures.floor import Floor, id_of
from tests.proofs.by_hand import sweep, work_off
from tests.proofs.forking import child
from tests.proofs.test_races import told
from workers.monitors.pending import PendingMonitor
from workers.queues.record import RecordWorker

D = Decimal
#: No worker here takes as many steps; the loops end when one took fewer than it was to die at.
MANY = 200

pytestmark = pytest.mark.timeout(240)


def record_once() -> None:
    RecordWorker("mortal").run(once=True)


def test_a_recorder_that_dies_before_any_step(floor: Floor) -> None:
    """Three commits are announced, a recorder takes them and dies; the next one, after a restart, finishes."""
    ref = floor.ref(LIVE)
    work_off()
    for number in range(1, MANY):
        floor.quote()
        closed = id_of(floor.open("0.1"))
        assert isinstance(floor.close(closed), Done)
        floor.open("0.01")
        killed = child(record_once, dies_before=number).ended()
        sweep()
        record_once()
        version = load(ref).portfolio.version
        assert rows_of(LIVE).get(pk=ref.id).recorded_version == version
        assert JournalEntry.objects.filter(account=str(ref)).count() == version
        assert Deal.objects.filter(order_id=closed).count() == 2
        holding = keys.holding(ref, closed)
        journal, marks, left = ledger().run(
            [
                (keys.journal(ref), ("XLEN", keys.journal(ref))),
                (keys.marks(ref), ("HGETALL", keys.marks(ref))),
                (holding, ("TTL", holding)),
            ]
        )
        assert (journal, marks) == (0, {"record": str(version), "index": str(version)})
        assert TERMINAL_LIFE_S - 60 < left <= TERMINAL_LIFE_S
        floor.close_all()
        if not killed:
            break
    assert 15 < number < MANY - 1, "the recorder took this many steps"
    work_off()
    assert floor.differences() == []


def watch_one_tick(listening: Callable[[], None]) -> Callable[[], None]:
    """A monitor that starts, hears one tick, acts, and ends."""

    def run() -> None:
        monitor = PendingMonitor("mortal")
        monitor.prepare()
        monitor.step()
        listening()
        while not monitor.step():
            pass

    return run


class Levels:
    """Three orders: one quote closes the first, by its stop, opens the second and leaves the third alone."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        floor.book.ledger.delete(keys.QUEUE_LEVELS)  # news of earlier rounds, which a monitor reads at its start
        self.quote("1.1000", "1.1002")
        self.stopped = id_of(floor.open("0.2", stop_loss=D("1.0950")))
        self.resting = id_of(floor.place("1.0960", "0.1", stop_loss=D("1.0500")))
        self.kept = id_of(floor.open("0.1", stop_loss=D("1.0940")))

    def touch(self) -> None:
        self.quote("1.0948", "1.0950")

    def quote(self, bid: str, ask: str) -> None:
        """With a sequence beyond those of other processes."""
        self.floor.sequence = count(quotes.resume_sequence(self.floor.book.market, "test", ["EURUSD"]) + 1)
        self.floor.quote(bid, ask)

    def left_in_the_index(self) -> list[str]:
        stops = keys.level_index("sl", "EURUSD", "retail", "BUY")
        rests = keys.level_index("pending", "EURUSD", "retail", "BUY_LIMIT")
        fired = [(stops, self.stopped), (rests, self.resting)]
        indexes = ledger().run([(key, ("ZRANGE", key, 0, -1)) for key, _ in fired])
        return [m for (_, order_id), members in zip(fired, indexes, strict=True) for m in members if order_id in m]

    def end(self) -> None:
        assert told([self.floor.close(self.kept), self.floor.close(self.resting)]) == {"done": 2}


def test_a_monitor_that_dies_before_any_step(floor: Floor) -> None:
    """Each level fires once: by the monitor that died, or by the one after it, on the next quote that touches it."""
    floor.money("deposit", "100000")  # each round loses a little
    killed, number, all_levels = True, 0, []
    while killed:
        number += 1
        assert number < MANY
        levels = Levels(floor)
        killed = child(watch_one_tick(levels.touch), dies_before=number).ended()
        watch_one_tick(levels.touch)()
        sweep()
        stopped, resting = floor.order(levels.stopped), floor.order(levels.resting)
        assert (stopped.status, stopped.reason, stopped.close_price) == ("CLOSED", "stop_loss", D("1.0947"))
        assert (resting.status, resting.open_price) == ("OPEN", D("1.0951"))
        assert floor.order(levels.kept).status == "OPEN"
        assert levels.left_in_the_index() == []
        levels.end()
        all_levels.append(levels)
    assert number > 20, "the monitor took this many steps"
    floor.record()
    for levels in all_levels:
        for order_id in (levels.stopped, levels.resting, levels.kept):
            deals = Deal.objects.filter(order_id=order_id).order_by("version")
            assert [deal.entry for deal in deals] == ["in", "out"]
    assert floor.differences() == []


def test_two_processes_open_what_fits_once(floor: Floor) -> None:
    """As the race of threads, by processes of their own."""

    def opens() -> None:
        floor.open("5")

    first, second = child(opens), child(opens)
    assert (first.ended(), second.ended()) == (False, False)
    assert len(floor.state().orders) == 1
    sweep()
    floor.record()
    assert floor.differences() == []


def test_a_command_that_dies_before_any_step_was_done_or_not(floor: Floor) -> None:
    """A web process dies at any point of an open; sent again with its key there is one order, and the same answer."""

    def opens(key: str) -> Any:
        return floor.open("0.1", key=key, stop_loss=D("1.0900"))

    killed, number, done_before = True, 0, 0
    while killed:
        number += 1
        assert number < MANY
        before = len(floor.state().orders)
        killed = child(partial(opens, f"mortal{number}"), dies_before=number).ended()
        done_before += len(floor.state().orders) - before
        assert isinstance(opens(f"mortal{number}"), Done)
        assert len(floor.state().orders) == before + 1
        assert opens(f"mortal{number}").replayed
    assert 0 < done_before < number
    sweep()
    floor.record()
    assert len(floor.state().orders) == number
    assert floor.differences() == []
