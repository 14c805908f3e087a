"""What is said to the person at the terminal. Nothing said may hold up or interrupt what is done."""

import io
import os
import queue
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console

FAREWELL_S = 2.0
_MOST_WAITING = 1_000


class _Lossy(io.BufferedIOBase):
    """Written by a thread of its own: a closed or full output loses what is said, a stuck one makes nobody wait."""

    name = "output"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        self._put(bytes(data))
        return len(data)

    def close(self) -> None:
        """Waits for what was said last, but not for long."""
        if not self.closed:
            self._put(None)
            self._thread.join(FAREWELL_S)
        super().close()

    def _put(self, data: bytes | None) -> None:
        while True:
            try:
                return self._waiting.put_nowait(data)
            except queue.Full:  # nobody reads it: the oldest is lost
                with suppress(queue.Empty):
                    self._waiting.get_nowait()

    def _run(self) -> None:
        while (data := self._waiting.get()) is not None:
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except OSError:  # closed (EPIPE, EIO, EBADF), or full (ENOSPC) and perhaps emptied later
                    break


def console(stream: TextIO | None = sys.__stdout__) -> Console:
    """On standard output. Printing raises nothing; whoever made it closes its `file` when all is said."""
    # Python has no stream for an output that was closed from the start; its number may be another file's by now.
    descriptor = os.open(os.devnull, os.O_WRONLY) if stream is None else stream.fileno()
    encoding = "utf-8" if stream is None else stream.encoding
    file = io.TextIOWrapper(_Lossy(descriptor), encoding, errors="replace", write_through=True)
    return Console(file=file, highlight=False, soft_wrap=True)
