"""Keeps the children and the embedded servers running and their logs short, and stops them: children, then servers."""

import threading
from collections.abc import Callable, Sequence
from types import FrameType

import structlog

from copytrading.embedded import Server, ServerFailed
from copytrading.kernel import clock
from workers.stack import logs
from workers.stack.child import Child

STOP_LIMIT_S = 15.0
SERVER_PAUSE_S = 10.0
_POLL_S = 0.1
_log = structlog.get_logger(__name__)


class Supervisor:
    """`say` takes one line for the person at the terminal."""

    def __init__(self, servers: Sequence[Server], children: Sequence[Child], say: Callable[[str], None]) -> None:
        self.servers = servers
        self.children = children
        self._terminal = say
        self._signals = 0
        self._retry_at: dict[Server, float] = {}
        # Never set: set() from a signal handler would wait for ever on a lock that an interrupted wait() holds.
        self._pause = threading.Event()

    @property
    def stopping(self) -> bool:
        return self._signals > 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first asks everything to stop in order, the second hurries."""
        self._signals += 1

    def start(self) -> None:
        for child in self.children:
            child.start()

    def wait(self, seconds: float) -> bool:
        """Watches for so long. True at once when a signal has asked to stop."""
        deadline = clock.monotonic() + seconds
        while not self.stopping and clock.monotonic() < deadline:
            self.watch()
            self._pause.wait(_POLL_S)
        return self.stopping

    def watch(self) -> None:
        for server in self.servers:
            if server.pid is None and clock.monotonic() >= self._retry_at.get(server, 0.0):
                self._restart(server)
        for child in self.children:
            if told := child.watch():
                self._say(told)
        for log in [*(server.log for server in self.servers), *(child.log for child in self.children)]:
            logs.cut(log)

    def _say(self, what: str) -> None:
        """To the terminal, which nobody may look at, and to the log."""
        self._terminal(what)
        _log.warning("supervisor", told=what)

    def _restart(self, server: Server) -> None:
        """One that does not start is tried again later: what needs it waits, and the rest goes on."""
        self._say(f"{server.folder.name} has ended; starting it again. Its log: {server.log}")
        try:
            server.start()
        except ServerFailed as error:
            self._retry_at[server] = clock.monotonic() + SERVER_PAUSE_S
            self._say(f"{error}\nIt is tried again in {SERVER_PAUSE_S:.0f} s.")

    def stop(self) -> None:
        """Servers are stopped by whoever started them."""
        asked = self._signals
        for child in self.children:
            child.ask_to_stop()
        deadline = clock.monotonic() + STOP_LIMIT_S
        while not all(child.stopped() for child in self.children):
            if clock.monotonic() > deadline or self._signals > asked:
                break
            self._pause.wait(_POLL_S)
        why = "was given no more time" if self._signals > asked else "did not stop in time"
        for child in self.children:
            if not child.stopped():
                self._say(f"{child.process.name} {why}; killing it.")
            child.kill()
