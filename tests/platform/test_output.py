"""What is said gets lost rather than in the way."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from tests.fixtures.waiting import eventually
from workers.stack import output

A_LOT = "x" * 1_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The end to read from, and the one to write to."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream


def test_everything_said_arrives_in_order(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    console = output.console(stream)
    console.print("Starting", "ü", sep=" ")
    console.print("[b]Stopping[/] ...")
    console.file.close()
    assert os.read(reading, 1_000).decode() == "Starting ü\nStopping ...\n"
    os.close(reading)


def test_a_closed_output_raises_nothing(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    console = output.console(stream)
    os.close(reading)
    for _ in range(3):
        console.print("Stopping ...")
    console.file.close()


def test_a_full_disk_raises_nothing() -> None:
    with Path("/dev/full").open("w") as stream:
        console = output.console(stream)
        console.print("Stopping ...")
        console.file.close()


def test_an_output_that_nobody_reads_makes_nobody_wait(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "FAREWELL_S", 0.1)
    reading, stream = pipe
    console = output.console(stream)
    for _ in range(2_000):  # a pipe takes 64 KB
        console.print(A_LOT)
    console.file.close()
    os.close(reading)  # lets the thread go that waits for a reader
    eventually(lambda: "output" not in [thread.name for thread in threading.enumerate()])


def test_an_output_closed_from_the_start_is_no_obstacle() -> None:
    console = output.console(None)
    console.print("Starting")
    console.file.close()
