"""CPU time of the web per authenticated order over HTTP, against an empty view on the same server.

    python -m benchmarks.http
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from typing import Any

import psutil

from benchmarks.place import SYMBOL, Place, place
from benchmarks.table import Row, show

WARM_UP = 200
REQUESTS = 1_000
TURNS = 2
_KEYS = count(1)

Ask = tuple[str, str, Any, int]


def measure(at: Place) -> list[Row]:
    account = at.accounts[0]
    named = {"user_type": account.kind, "user_id": account.id}
    order = {**named, "symbol": SYMBOL, "order_type": "BUY", "order_quantity": "0.01", "stop_loss": "1.05"}
    with web("benchmarks.empty:application") as server:
        limit = min(_cpu_us(server, ("POST", "/empty", None, 200), "") for _ in range(TURNS))
    asked = {
        "an order": ("POST", "/api/orders/instant/execute", order, 201),
        "an account with its orders": ("GET", f"/api/accounts/{account.kind}/{at.accounts[1].id}", None, 200),
        "a refusal": ("POST", "/api/orders/instant/execute", {**order, "order_quantity": "0.001"}, 400),
    }
    rows = []
    with web("copytrading.wsgi:application") as server:
        for what, ask in asked.items():
            spent = min(_cpu_us(server, ask, at.token) for _ in range(TURNS))
            aim = "<= 5" if what == "an order" else ""
            told = f"{what}: CPU of the web, a request"
            rows.append(Row("HTTP", told, spent, "us", limit, "an empty view, no middleware", spent / limit, aim))
    return rows


class Server:
    def __init__(self, process: psutil.Popen, port: int) -> None:
        self._process = process
        self.connection = HTTPConnection("127.0.0.1", port)

    def cpu_s(self) -> float:
        spent = 0.0
        for each in (self._process, *self._process.children(recursive=True)):
            times = each.cpu_times()
            spent += times.user + times.system
        return spent

    def ask(self, asked: Ask, token: str) -> None:
        method, path, body, wanted = asked
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Idempotency-Key"] = f"bench{next(_KEYS)}"
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        told = answer.read()
        if answer.status != wanted:
            raise SystemExit(f"{method} {path} answered {answer.status}: {told.decode()}")


@contextmanager
def web(application: str) -> Iterator[Server]:
    """One process of the server that the stack runs, with the stack's own options."""
    port = _free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", application, "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--blocking-threads", "8", "--no-ws", "--log-level", "error",
    ]  # fmt: skip
    environ = os.environ | {"LOG_LEVEL": "INFO"}
    process = psutil.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_open(port)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(30)


def _cpu_us(server: Server, asked: Ask, token: str) -> float:
    for _ in range(WARM_UP):
        server.ask(asked, token)
    before = server.cpu_s()
    for _ in range(REQUESTS):
        server.ask(asked, token)
    return (server.cpu_s() - before) / REQUESTS * 1_000_000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_open(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("The web server did not start.")


if __name__ == "__main__":
    with place(2) as made:
        show(measure(made))
