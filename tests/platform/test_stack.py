"""`make run` as a visitor meets it: everything comes up, trades, survives being killed, and goes away."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.fixtures import folders
from tests.fixtures.stack import Stack, free_port
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def stack() -> Iterator[Stack]:
    made = Stack(folders.fresh(), free_port())
    yield made
    made.remove()


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
    assert stack.manage("rebuild_book").returncode == 0
    eventually(lambda: stack.deals() > traded, limit_s=60)


def test_without_the_demo_there_is_nobody_and_nothing_made_up(stack: Stack) -> None:
    stack.settings["DEMO"] = "0"
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
