"""A trading day on servers and processes of its own: who trades, who works, what was said and what is recorded."""

import json
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen

import redis

from copytrading.env import BASE_DIR
from copytrading.kernel.ids import KINDS
from tests.fixtures.servers import Stand
from tests.fixtures.waiting import eventually
from tests.proofs import record

TABLES = dict(
    zip(KINDS, ("live_users", "demo_users", "strategy_provider_accounts", "copy_follower_accounts"), strict=True)
)
PATIENCE_S = 60.0
FIRED = "SELECT count(*)::int FROM orders_journalentry WHERE verb = 'fire'"
RECORDED = "SELECT count(*)::int FROM orders_journalentry"


def unindexed(ledger: redis.Redis) -> list[str]:
    """Accounts with hints still to be told: the sweeper sees to it, to an account new in the book after 30 s."""
    with closing(ledger):
        names = [key.partition(":")[2] for key in ledger.scan_iter("user_portfolio:*", count=1000)]
        return [
            name
            for name in names
            if ledger.hget(f"user_marks:{name}", "index") != ledger.hget(f"user_portfolio:{name}", "version")
        ]


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

    def acks(self) -> list[dict[str, str]]:
        """What was acknowledged: `done` is an order, `version` the account's when that became true."""
        return [line for line in self.lines() if "done" in line]

    def done(self) -> int:
        return len(self.acks())

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

    def at_rest(self) -> bool:
        """Everything is recorded and indexed."""
        return not self.unrecorded() and not unindexed(self.stand.ledger.client())

    def check_the_record(self) -> None:
        """Every acknowledged order is recorded, at least at the version it was acknowledged with; nothing twice."""
        assert record.lost(self.stand.query, [(line["done"], int(line["version"])) for line in self.acks()]) == []
        assert record.done_twice(self.stand.query) == []
