"""A trading day on servers and processes of its own, in which everything is killed at least once.

PROOF_OUTAGE_SECONDS=60 keeps PostgreSQL away for a minute instead of a few seconds.
"""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from orders.book import keys
from orders.book.connection import incarnation
from tests.fixtures.servers import Stand
from tests.fixtures.waiting import eventually
from tests.proofs.day import FIRED, PATIENCE_S, RECORDED, Day

OUTAGE_S = float(os.environ.get("PROOF_OUTAGE_SECONDS", "4"))
WORKERS = ("sweeper", "worker_record", "pending_monitor")

pytestmark = pytest.mark.timeout(int(OUTAGE_S) + 300)


@pytest.fixture
def day(stand: Stand) -> Day:
    """Trading, recorded and watched."""
    made = Day(stand, stand.folder / "said")
    made.start(*WORKERS)
    made.begin()
    made.goes_on()
    made.grows(FIRED, 1)
    return made


def kill_recorder_and_monitor(day: Day) -> None:
    """Somewhere in their work, and again as soon as the next ones work."""
    chance = random.Random(3)
    for _ in range(2):
        day.grows(FIRED, 3)
        day.grows(RECORDED, chance.randrange(1, 10))
        day.kill("pending_monitor", "worker_record")
        day.goes_on(5)
        day.start("pending_monitor", "worker_record")
    day.grows(FIRED, 3)


def kill_the_ledger(day: Day) -> None:
    """Nobody is served until the sweeper has compared the ledger with the record."""
    day.kill("sweeper")
    day.stand.ledger.kill()
    told = len(day.waits())
    eventually(lambda: len(day.waits()) > told, limit_s=PATIENCE_S)
    day.stand.ledger.start()
    eventually(lambda: "has not been compared with the record yet" in day.waits()[-1], limit_s=PATIENCE_S)
    served = day.done()
    refused = len(day.waits())
    eventually(lambda: len(day.waits()) >= refused + 5, limit_s=PATIENCE_S)
    assert day.done() == served
    day.start("sweeper")
    day.goes_on()


def stop_the_record(day: Day) -> None:
    """Trading goes on as if nothing had happened, for as long as PostgreSQL is away."""
    day.stand.database.stop()
    stopped, waits = time.monotonic(), len(day.waits())
    eventually(lambda: time.monotonic() - stopped > OUTAGE_S, limit_s=OUTAGE_S + 10)
    day.goes_on()
    assert day.waits()[waits:] == []
    day.stand.database.start()
    day.grows(RECORDED)


def stop_the_market(day: Day) -> None:
    """No prices, no trades; they come back with the instance, which remembers nothing, the clearance included."""
    day.stand.market.kill()
    told = len(day.waits())
    eventually(lambda: len(day.waits()) > told, limit_s=PATIENCE_S)
    day.stand.market.start()
    day.goes_on()
    day.grows(FIRED, 1)


DISASTERS: list[Callable[[Day], None]] = [
    kill_recorder_and_monitor,
    kill_the_ledger,
    stop_the_record,
    stop_the_market,
]


def test_a_day_of_disasters(day: Day) -> None:
    for disaster in DISASTERS:
        disaster(day)
    day.end()
    eventually(day.at_rest, limit_s=PATIENCE_S, poll_s=0.2)
    assert day.done() > 100
    assert day.number(FIRED) > 10
    day.check_the_record()
    for worker in day.workers.values():
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert day.command("audit") == 0, day.log("audit")
    lose_the_ledger(day)


def lose_the_ledger(day: Day) -> None:
    """Its folder is gone: an empty ledger stays closed until it was rebuilt, and then goes on where the record ends."""
    day.stand.ledger.kill()
    for file in day.stand.ledger.folder.rglob("*"):
        if file.is_file():
            file.unlink()
    day.stand.ledger.start()
    assert day.command("audit") == 2
    market, ledger = day.stand.market.client(), day.stand.ledger.client()
    started = incarnation(ledger.info())
    day.start("sweeper")
    eventually(lambda: "run audit, then rebuild_book" in day.log("sweeper"), limit_s=PATIENCE_S)
    assert not market.sismember(keys.LEDGER_CLEARED, started)
    assert day.command("rebuild_book") == 0
    assert market.sismember(keys.LEDGER_CLEARED, started)
    day.start("worker_record")
    eventually(day.at_rest, limit_s=PATIENCE_S, poll_s=0.2)
    assert day.command("audit") == 0, day.log("audit")
    market.close()
    ledger.close()
