"""The stack under test: started as a customer starts it, with its processes by name and its people."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import redis

from copytrading import embedded, endpoints
from tests.fixtures.customer import Customer
from tests.fixtures.stack import Stack
from tests.fixtures.waiting import eventually
from tests.proofs import power
from tests.soak.truth import TABLES

SERVERS = ("ledger", "market", "postgresql")
#: What the supervisor calls it -> a word of its command line.
CHILDREN = {
    "web": "granian",
    "market_feed": "market_feed",
    "pending_monitor": "pending_monitor",
    "workers": "run_together",
    "celery": "celery",
}
#: A customer waits no longer for an answer, and asks again.
ANSWER_LIMIT_S = 6.0
#: What was ended is there again within this; the supervisor's own pauses grow to 30 s.
START_LIMIT_S = 120.0
#: So that a feed that stalls for some seconds is noticed.
PRICE_AGE_MS = 6_000


@dataclass
class Site:
    """`power_can_be_cut` where there is a compiler."""

    stack: Stack
    power_can_be_cut: bool
    people: dict[str, Customer] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.stack.folder

    @property
    def notes(self) -> Path:
        """What the ledger has on its disk."""
        return self.folder.with_name(f"{self.folder.name}.synced")

    @property
    def socket(self) -> Path:
        """Where the ledger listens."""
        ledger = self.folder / "ledger"
        return endpoints.socket_folder(ledger, endpoints.REDIS_SOCKET) / endpoints.REDIS_SOCKET

    def open_up(self) -> None:
        """Up, with a key of a dealer and log-ins of those who trade their own."""
        self.stack.settings |= {"WEB_WORKERS": "2", "DEMO_PASSWORD": "soaked to the skin"}
        if self.power_can_be_cut:
            self.stack.settings |= power.noting(self.notes)
        self.stack.start()
        self.stack.await_up()
        self.query(f"UPDATE accounts_instrument SET price_age_ms = {PRICE_AGE_MS}")
        made = self.stack.manage("create_api_key", "dealer", "--scopes", "read,trade,dealer")
        made.check_returncode()
        self.people["dealer"] = Customer(self.stack.port, made.stdout.strip(), ANSWER_LIMIT_S)
        visitor = Customer(self.stack.port, "", ANSWER_LIMIT_S)
        for name in ("trader", "strategist"):
            said = visitor.until_known("/api/auth/login", {"username": name, "password": self.password})
            self.people[name] = Customer(self.stack.port, said.body["token"], ANSWER_LIMIT_S)

    @property
    def password(self) -> str:
        return self.stack.settings["DEMO_PASSWORD"]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows, if it gives any; asked until PostgreSQL is there."""
        return eventually(lambda: self._asked(sql), limit_s=START_LIMIT_S, poll_s=0.2)[0]

    def _asked(self, sql: str) -> list[list[tuple[Any, ...]]]:
        url = embedded.Postgresql(self.folder / "postgresql").url
        try:
            with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return [cursor.fetchall() if cursor.description else []]
        except (psycopg2.OperationalError, psycopg2.InterfaceError):  # it is just starting again
            return []

    def client(self, name: str) -> redis.Redis:
        """Of the ledger or the market instance, past everything in between."""
        return embedded.Valkey(self.folder / name).client()

    def unrecorded(self) -> dict[str, tuple[int, int]]:
        """Accounts of the load whose version in the ledger is not the recorded one."""
        found = {}
        with closing(self.client("ledger")) as client:
            for account, table in TABLES.items():
                held = int(client.hget(f"user_portfolio:{{{account}}}", "version") or 0)
                ((recorded,),) = self.query(f"SELECT recorded_version FROM {table} WHERE id = 1")
                if held != recorded:
                    found[account] = held, int(recorded)
        return found

    def processes(self, name: str) -> list[psutil.Process]:
        """Those of a server, or of a child of the supervisor with what it started itself; the first is the first."""
        found = [process for process in self.stack.processes() if _name_of(process, self.folder) == name]
        return sorted(found, key=lambda process: process.create_time())

    def running(self, name: str) -> list[psutil.Process]:
        """The same, as soon as there are any: it may just be starting again."""
        return eventually(lambda: self.processes(name), limit_s=START_LIMIT_S, poll_s=0.1)

    def server(self, name: str) -> psutil.Process:
        """The one that the supervisor has started."""
        own = self.supervisor.pid
        return eventually(
            lambda: [each for each in self.processes(name) if each.ppid() == own], limit_s=START_LIMIT_S, poll_s=0.1
        )[0]

    @property
    def supervisor(self) -> psutil.Process:
        return psutil.Process(self.stack.runs[-1].pid)

    @contextmanager
    def unsupervised(self) -> Iterator[None]:
        """What is killed inside the block is not started again before its end."""
        supervisor = self.supervisor
        supervisor.suspend()
        try:
            yield
        finally:
            supervisor.resume()


def ended(processes: list[psutil.Process]) -> None:
    """Returns when they are. One that nobody has collected yet is."""
    eventually(lambda: not any(map(_lives, processes)), limit_s=60)


def rest(seconds: float) -> None:
    threading.Event().wait(seconds)


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _name_of(process: psutil.Process, folder: Path) -> str:
    try:
        if Path(process.cwd()).parent == folder:
            return Path(process.cwd()).name
        words = process.cmdline()
        named = [name for name, word in CHILDREN.items() if word in words]
        if named:
            return named[0]
        parent = process.parent()  # what a child started says nothing of itself
        return _name_of(parent, folder) if parent is not None and parent.ppid() > 1 else ""
    except (psutil.Error, OSError):
        return ""
