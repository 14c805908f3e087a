"""`make run` as a visitor meets it: everything comes up, trades, survives being killed, and goes away."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg2
import pytest

from copytrading import embedded
from copytrading.env import BASE_DIR
from tests.fixtures import folders
from tests.fixtures.waiting import eventually
from workers.stack.folder import MARK

pytestmark = pytest.mark.timeout(300)

UP_LIMIT_S = 90  # a busy machine; the figure for a quiet one is printed by the stack itself


@dataclass
class Stack:
    folder: Path
    port: int
    runs: list[subprocess.Popen[bytes]]

    more: dict[str, str] = field(default_factory=dict)

    def environ(self, port: int) -> dict[str, str]:
        given = ("DATABASE_URL", "REDIS_URL", "MARKET_REDIS_URL", "DJANGO_SETTINGS_MODULE")
        clean = {name: value for name, value in os.environ.items() if name not in given}
        return clean | {"DATA_DIR": str(self.folder), "WEB_PORT": str(port)} | self.more

    def start(self, port: int = 0) -> subprocess.Popen[bytes]:
        with self.output(len(self.runs)).open("wb") as output:
            run = subprocess.Popen(
                [sys.executable, "manage.py", "stack"],
                cwd=BASE_DIR,
                env=self.environ(port or self.port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.runs.append(run)
        return run

    def output(self, number: int) -> Path:
        return self.folder.parent / f"{self.folder.name}.{number}.out"

    def said(self) -> str:
        """What the last run has printed."""
        return self.output(len(self.runs) - 1).read_text()

    def await_up(self) -> None:
        run = self.runs[-1]
        eventually(lambda: "Everything is up" in self.said() or run.poll() is not None, limit_s=UP_LIMIT_S)
        assert run.poll() is None, self.said()

    def get(self, path: str) -> tuple[int, bytes]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return answer.status, answer.read()

    def deals(self) -> int:
        return self.count("orders_deal")

    def count(self, table: str) -> int:
        url = embedded.Postgresql(self.folder / "postgresql").url
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            return int(cursor.fetchone()[0])

    def manage(self, *arguments: str) -> int:
        """The exit status of a command that works on the same data folder."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=BASE_DIR, env=self.environ(self.port), check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
        ).returncode  # fmt: skip

    def processes(self) -> list[psutil.Process]:
        """Every living process of this stack, servers included."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get(MARK) == str(self.folder)
                inside = Path(process.cwd()).is_relative_to(self.folder)
                if (marked or inside) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture
def stack() -> Iterator[Stack]:
    folder = folders.fresh()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Stack(folder, port, [])
    yield made
    for run in made.runs:
        run.kill()
        run.wait()
    for process in made.processes():
        process.kill()
    folders.remove(folder)


def test_a_stack_comes_up_trades_survives_a_kill_and_stops(stack: Stack) -> None:
    first = stack.start()
    stack.await_up()
    assert stack.get("/healthz") == (200, b'{"ok": true}')
    assert stack.get("/admin/login/")[0] == 200
    assert "paths" in json.loads(stack.get("/api/schema")[1])
    password = (stack.folder / "demo_password").read_text()
    assert f"password: {password} (kept in {stack.folder}/demo_password)" in stack.said()
    assert "Log in as admin, dealer, support, trader, strategist; password: " in stack.said()
    assert f"API       http://127.0.0.1:{stack.port}/api/docs\n" in stack.said()
    eventually(lambda: stack.deals() > 0, limit_s=30)

    refused = stack.start(port=stack.port + 1)
    assert refused.wait(timeout=60) == 1
    assert f"It already runs in {stack.folder} (process {first.pid})." in stack.said()

    traded = stack.deals()
    first.kill()
    first.wait()
    assert stack.processes() != []

    second = stack.start()
    stack.await_up()
    assert "processes that an earlier run had left behind" in stack.said()
    assert stack.deals() >= traded
    assert (stack.folder / "demo_password").read_text() == password

    began = time.monotonic()
    os.killpg(second.pid, signal.SIGINT)
    assert second.wait(timeout=60) == 0
    assert time.monotonic() - began < 30
    assert "Everything is stopped; the data are kept." in stack.said()
    assert stack.processes() == []

    shutil.rmtree(stack.folder / "ledger")
    stack.start()
    stack.await_up()
    assert "But nobody trades: the ledger has lost what the record has." in stack.said()
    assert "run audit, then rebuild_book" in stack.said()
    traded = stack.deals()
    assert stack.manage("rebuild_book") == 0
    eventually(lambda: stack.deals() > traded, limit_s=60)


def test_without_the_demo_there_is_nobody_and_nothing_made_up(stack: Stack) -> None:
    stack.more["DEMO"] = "0"
    stack.start()
    stack.await_up()
    assert "password" not in stack.said()
    assert stack.count("accounts_user") == 0
    assert "market_feed" not in stack.said()
    assert not (stack.folder / "demo_password").exists()


def test_a_port_in_use_is_told_before_anything_starts(stack: Stack) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", stack.port))
        listener.listen()
        assert stack.start().wait(timeout=60) == 1
    assert f"Port {stack.port} on 127.0.0.1 can't be used" in stack.said()
    assert "Traceback" not in stack.said()
    assert not (stack.folder / "ledger").exists()
