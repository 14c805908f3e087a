"""The real web server, with clients who promise a body and never send it. Nothing behind it is up, nor needed."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest

from accounts.api.intake import READERS, SHARE
from copytrading.env import BASE_DIR
from tests.fixtures.waiting import eventually

HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LENGTH, CHUNKS = 'Content-Length: 100\r\n\r\n{"a"', 'Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n'
NOWHERE = "/api/nowhere"


class Web:
    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0))

    def ask(self, request: str, source: str = "127.0.0.1") -> tuple[int, str]:
        """Status and reason of the answer to what is sent as it is."""
        with self.connect(source) as connection:
            connection.sendall(request.encode())
            return answer_on(connection)

    def post(self, source: str = "127.0.0.1") -> tuple[int, str]:
        return self.ask(HEAD.format(path=NOWHERE) + "Content-Length: 2\r\n\r\n{}", source)

    def is_up(self) -> bool:
        try:
            return self.ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == (200, "")
        except OSError:
            return False


def answer_on(connection: socket.socket) -> tuple[int, str]:
    answer = HTTPResponse(connection)
    answer.begin()
    told = json.loads(answer.read())
    assert answer.headers["Content-Type"].endswith("json")
    return answer.status, told.get("reason", "")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder: Path = tmp_path_factory.mktemp("web")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "copytrading.wsgi:application",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--blocking-threads", "8", "--no-ws",
        "--workers-kill-timeout", "5", "--log-level", "error",
    ]  # fmt: skip
    environ = os.environ | {"DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "copytrading.settings"}
    with (folder / "out").open("wb") as output:
        process = subprocess.Popen(command, cwd=BASE_DIR, env=environ, stdout=output, stderr=output)
    try:
        made = Web(port)
        eventually(made.is_up, limit_s=60)
        yield made
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def stalled(web: Web, request: str, source: str, count: int = SHARE) -> Iterator[None]:
    with ExitStack() as held:
        for _ in range(count):
            held.enter_context(web.connect(source)).sendall(request.encode())
        eventually(lambda: web.post(source) == (429, "rate_limited"))
        yield


@pytest.mark.parametrize("path", ["/api/auth/login", NOWHERE, "/admin/login/"])
@pytest.mark.parametrize("body", [LENGTH, CHUNKS])
def test_who_stalls_holds_up_nobody_else(web: Web, path: str, body: str) -> None:
    request = HEAD.format(path=path) + body
    with stalled(web, request, "127.0.0.1", count=20):
        assert web.is_up()
        assert web.post("127.0.0.2") == (404, "path_not_found")
    eventually(lambda: web.post() == (404, "path_not_found"))


def test_many_who_stall_hold_up_nobody_who_sends_no_body(web: Web) -> None:
    request = HEAD.format(path=NOWHERE) + LENGTH
    with ExitStack() as held:
        for number in range(READERS // SHARE):
            held.enter_context(stalled(web, request, f"127.0.0.{number + 2}"))
        assert web.post() == (429, "rate_limited")
        assert web.is_up()
    eventually(lambda: web.post() == (404, "path_not_found"))


def test_what_is_not_read_is_not_waited_for(web: Web) -> None:
    for line in ("GET /healthz", "DELETE /api/orders", f"POST {NOWHERE}"):
        length = 10**9 if line.startswith("POST") else 100
        status, _ = web.ask(f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
        assert status in (200, 401, 404, 503)
