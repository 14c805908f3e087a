"""A trading day on servers and processes of its own, in which everything is killed at least once.

PROOF_OUTAGE_SECONDS=60 keeps PostgreSQL away for a minute instead of a few seconds.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from copytrading.env import BASE_DIR
from copytrading.kernel.ids import KINDS
from orders.book import keys
from orders.book.connection import incarnation
from tests.fixtures.servers import Stand
from tests.fixtures.waiting import eventually

OUTAGE_S = float(os.environ.get("PROOF_OUTAGE_SECONDS", "4"))
TABLES = dict(
    zip(KINDS, ("live_users", "demo_users", "strategy_provider_accounts", "copy_follower_accounts"), strict=True)
)
WORKERS = ("sweeper", "worker_record", "pending_monitor")
PATIENCE_S = 60.0

pytestmark = pytest.mark.timeout(int(OUTAGE_S) + 300)


@dataclass
class Day:
    """The stand, one trader on it, and its workers by name."""

    stand: Stand
    said: Path
    workers: dict[str, Popen[bytes]] = field(default_factory=dict)
    _trader: Popen[bytes] | None = None

    def begin(self) -> None:
        with self.said.open("wb") as out, (self.stand.folder / "logs" / "trader.log").open("wb") as log:
            self._trader = Popen(
                [sys.executable, "-m", "tests.proofs.trader", "7"],
                cwd=BASE_DIR, env=self.stand.environ, stdin=DEVNULL, stdout=out, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.stand.children.append(self._trader)

    def end(self) -> None:
        assert self._trader is not None
        self._trader.terminate()
        assert self._trader.wait(30) == 0

    def start(self, *names: str) -> None:
        self.workers |= {name: self.stand.manage(name) for name in names}

    def kill(self, *names: str) -> None:
        for name in names:
            self.workers[name].kill()
            self.workers[name].wait()

    def command(self, name: str) -> int:
        """The exit status of a command that ends by itself."""
        return self.stand.manage(name).wait(PATIENCE_S)

    def log(self, name: str) -> str:
        return (self.stand.folder / "logs" / f"{name}.log").read_text()

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.said.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def done(self) -> int:
        return len([line for line in self.lines() if "done" in line])

    def waits(self) -> list[str]:
        return [line["waits"] for line in self.lines() if "waits" in line]

    def goes_on(self, more: int = 20) -> None:
        """So many more commands are acknowledged."""
        before = self.done()
        eventually(lambda: self.done() >= before + more, limit_s=PATIENCE_S)

    def number(self, sql: str) -> int:
        ((number,),) = self.stand.query(sql)
        assert isinstance(number, int)
        return number

    def grows(self, sql: str, more: int = 10) -> None:
        before = self.number(sql)
        eventually(lambda: self.number(sql) >= before + more, limit_s=PATIENCE_S, poll_s=0.1)

    def unrecorded(self) -> dict[str, tuple[int, int]]:
        """Accounts whose version in the ledger is not the recorded one."""
        client = self.stand.ledger.client()
        found: dict[str, tuple[int, int]] = {}
        for kind, table in TABLES.items():
            for pk, version in self.stand.query(f"SELECT id, recorded_version FROM {table}"):
                held = int(client.hget(f"user_portfolio:{{{kind}:{pk}}}", "version") or 0)
                if held != version:
                    found[f"{kind}:{pk}"] = held, int(str(version))
        client.close()
        return found


FIRED = "SELECT count(*)::int FROM orders_journalentry WHERE verb = 'fire'"
RECORDED = "SELECT count(*)::int FROM orders_journalentry"


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
    eventually(lambda: not day.unrecorded(), limit_s=PATIENCE_S, poll_s=0.2)
    nothing_is_lost(day)
    nothing_is_done_twice(day)
    for worker in day.workers.values():
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert day.command("audit") == 0, day.log("audit")
    lose_the_ledger(day)


def nothing_is_lost(day: Day) -> None:
    """Every acknowledged order is recorded, at least at the version it was acknowledged with."""
    recorded = {
        str(name): int(str(version)) for name, version in day.stand.query("SELECT order_id, version FROM orders_order")
    }
    told = [(line["done"], int(line["version"])) for line in day.lines() if "done" in line]
    assert len(told) > 100
    assert [(order_id, version) for order_id, version in told if recorded.get(order_id, 0) < version] == []


def nothing_is_done_twice(day: Day) -> None:
    twice = (
        "SELECT account, command_id FROM orders_journalentry WHERE command_id <> '' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert day.stand.query(twice) == []
    assert day.number(FIRED) > 10
    unlike_their_deals = """
        SELECT o.order_id FROM orders_order o LEFT JOIN orders_deal d USING (order_id)
        GROUP BY o.order_id
        HAVING coalesce(sum(d.lots) FILTER (WHERE d.entry = 'in'), 0) <> o.filled_lots
            OR coalesce(sum(d.lots) FILTER (WHERE d.entry = 'out'), 0) <> o.filled_lots - o.open_lots
            OR count(*) FILTER (WHERE d.entry = 'in') > 1
            OR coalesce(sum(d.profit), 0) <> o.profit
        """
    assert day.stand.query(unlike_their_deals) == []


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
    eventually(lambda: not day.unrecorded(), limit_s=PATIENCE_S, poll_s=0.2)
    assert day.command("audit") == 0, day.log("audit")
    market.close()
    ledger.close()
