"""Real processes, born of this one within milliseconds, that end themselves by SIGKILL before a chosen step."""

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connections

from tests.fixtures.book import forget
from tests.proofs.steps import ends_at, watched


@dataclass
class Child:
    """A process that runs one function, unless it ends itself before."""

    pid: int

    def ended(self) -> bool:
        """Waits for its end. True if it was killed; fails if it broke."""
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0, "the child broke; its traceback is in the captured output"
        return False


def child(run: Callable[[], None], dies_before: int = 0) -> Child:
    """Starts it; it kills itself before its step `dies_before` (counted from 1), 0 is never.

    Neither side uses a connection of the other: both make their own from now on.
    """
    forget()
    connections.close_all()
    pid = os.fork()
    if pid:
        return Child(pid)
    code = 1
    try:
        with watched(ends_at(dies_before, lambda: os.kill(os.getpid(), signal.SIGKILL))):
            run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
