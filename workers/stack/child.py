"""One process under the supervisor: started, watched, started again with growing patience, stopped."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from copytrading.env import BASE_DIR
from copytrading.kernel import clock
from workers.stack.processes import Process

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
#: Whoever ran this long before it ended is started again at once.
SETTLED_S = 60.0


class Child:
    """In a session of its own, so that Ctrl-C reaches the supervisor alone."""

    def __init__(self, process: Process, log: Path, environ: Mapping[str, str]) -> None:
        self.process = process
        self.log = log
        self.restarts = 0
        self._environ = dict(environ)
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at: float | None = None
        self._pause_s = FIRST_PAUSE_S

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.returncode is None

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen is not None and self.running else None

    @property
    def up_s(self) -> float:
        return clock.monotonic() - self._started_at if self.running else 0.0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.process.command,
                cwd=BASE_DIR,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started_at = clock.monotonic()
        self._start_at = None

    def watch(self) -> str | None:
        """To be called often: starts it again when that is due. Gives what happened, in words, if something did."""
        now = clock.monotonic()
        if self._start_at is not None:
            if now >= self._start_at:
                self.restarts += 1
                self.start()
            return None
        if self._popen is None or not self.stopped():
            return None
        status = self._popen.returncode
        self._pause_s = FIRST_PAUSE_S if now - self._started_at > SETTLED_S else self._pause_s
        self._start_at = now + self._pause_s
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, LONGEST_PAUSE_S)
        return f"{self.process.name} ended {_in_words(status)}; it starts again in {pause_s:.0f} s. Its log: {self.log}"

    def ask_to_stop(self) -> None:
        self._start_at = None
        if self._popen is not None and not self.stopped():
            self._popen.terminate()

    def kill(self) -> None:
        """With whatever it started itself."""
        if self._popen is not None and self.running:
            # Not collected yet, so the number of the group can't be anybody else's.
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()

    def stopped(self) -> bool:
        """Once it has ended, what it started itself is ended too: a web worker would keep the port of the next one."""
        if self._popen is not None and self.running and _has_ended(self._popen.pid):
            self.kill()
        return not self.running

    def memory(self) -> int:
        """Bytes, with its own children."""
        try:
            first = psutil.Process(self.pid or -1)
            return sum(each.memory_info().rss for each in (first, *first.children(recursive=True)))
        except (psutil.Error, ValueError):
            return 0


def _has_ended(pid: int) -> bool:
    """Without collecting it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody else has collected it
        return True


def _in_words(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
