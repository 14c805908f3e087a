"""A wire between a client and Redis that can be cut at a chosen moment."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

#: What becomes of a request that has the watched-for bytes in it: handed on; handed on, but the wire is cut
#: instead of the reply; handed on, but the reply waits for `let_go`; or the wire is cut instead of the request.
Fate = Literal["passes", "reply lost", "reply late", "request lost"]


class Wire:
    """Listens on the loopback, or on a unix socket, and hands everything on to the server behind `url`."""

    def __init__(self, url: str, at: Path | None = None) -> None:
        parts = urlsplit(url)
        unix = parts.scheme == "unix"
        self._upstream = parts.path if unix else (parts.hostname or "127.0.0.1", parts.port or 6379)
        database = parse_qs(parts.query).get("db", ["0"])[0] if unix else parts.path.strip("/") or "0"
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self._listener = _listen(at)
        port = "" if at else self._listener.getsockname()[1]
        self.url = f"unix://{at}?db={database}" if at else f"redis://{login}127.0.0.1:{port}/{database}"
        self._ends: list[socket.socket] = []
        self._watched_for, self._fate, self._times = b"", "passes", 0
        self._let_go = threading.Event()
        self.seen = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def watch(self, for_bytes: str, fate: Fate = "passes", times: int = 1) -> None:
        """Counts in `seen` the requests that have `for_bytes` in them; `fate` befalls the first few of them."""
        self._watched_for, self._fate, self._times, self.seen = for_bytes.encode(), fate, times, 0

    def let_go(self) -> None:
        """Replies that were held back go on their way."""
        self._let_go.set()

    def close(self) -> None:
        self.let_go()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        for end in self._ends:
            _cut(end)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX if isinstance(self._upstream, str) else socket.AF_INET)
                server.connect(self._upstream)
                self._ends += [client, server]
                lost = threading.Event()
                threading.Thread(target=self._requests, args=(client, server, lost), daemon=True).start()
                threading.Thread(target=self._replies, args=(client, server, lost), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while request := client.recv(1 << 20):
                if self._watched_for and self._watched_for in request:
                    self.seen += 1
                    self._times -= 1
                    fate = self._fate if self._times >= 0 else "passes"
                    if fate == "request lost":
                        break
                    if fate != "passes":
                        lost.set()
                server.sendall(request)
        if not lost.is_set():
            _cut(server)
            _cut(client)

    def _replies(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while reply := server.recv(1 << 20):
                if lost.is_set():
                    if self._fate == "reply lost":
                        break
                    self._let_go.wait()
                client.sendall(reply)
        _cut(server)
        _cut(client)


def _listen(at: Path | None) -> socket.socket:
    if at is None:
        return socket.create_server(("127.0.0.1", 0))
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(at))
    made.listen()
    return made


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
