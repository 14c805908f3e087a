"""The supervisor, with small processes in place of the real ones."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pytest_django import Settings

from copytrading import embedded
from orders.book import connection
from tests.fixtures import folders
from tests.fixtures.book import Book
from tests.fixtures.waiting import eventually
from workers.stack import child as children
from workers.stack import folder, logs, preparation
from workers.stack.child import Child
from workers.stack.processes import Process
from workers.stack.refusal import StackRefused
from workers.stack.supervisor import Supervisor

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
ENDS = "raise SystemExit(3)"
#: Starts a process of its own and prints its number, as a web server does with its workers.
PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""

MakeChild = Callable[[str], Child]


@pytest.fixture
def make_child(tmp_path: Path) -> Iterator[MakeChild]:
    made: list[Child] = []

    def make(script: str) -> Child:
        process = Process(f"process{len(made)}", (sys.executable, "-c", script), "for a test")
        made.append(Child(process, tmp_path / f"{process.name}.log", os.environ | {folder.MARK: str(tmp_path)}))
        return made[-1]

    yield make
    for child in made:
        child.kill()


def is_up(child: Child) -> bool:
    return child.log.exists() and "up" in child.log.read_text()


@pytest.fixture
def said() -> list[str]:
    return []


#: Writes numbered lines for as long as it lives.
WRITES = """
import itertools, time
for number in itertools.count():
    print(f"line {number} " + "x" * 80, flush=True)
    time.sleep(0.001)
"""


def test_a_log_that_grows_too_long_is_cut_while_its_process_writes_on(
    make_child: MakeChild, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.stack.logs.LONGEST", 20_000)
    child = make_child(WRITES)
    supervisor = Supervisor([], [child], said.append)
    supervisor.start()
    aside = child.log.with_suffix(".old.log")
    eventually(lambda: supervisor.wait(0.01) or aside.exists())
    first = aside.stat().st_size
    assert first > 20_000
    # The process never noticed: it goes on at the beginning of the emptied file, without a hole before it.
    written = eventually(child.log.read_text)
    assert written.startswith("line ")
    assert "\0" not in written
    assert child.log.stat().st_size < first
    assert child.running
    assert said == []


def test_the_log_of_a_server_is_cut_as_well(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.stack.logs.LONGEST", 100)
    server = embedded.market(folders.fresh() / "market")
    server.start()
    try:
        assert server.log.stat().st_size > 100  # what it says at its start
        Supervisor([server], [], said.append).watch()
        assert server.log.stat().st_size < 100
        assert server.log.with_suffix(".old.log").stat().st_size > 100
        assert server.client().ping()
    finally:
        server.kill()


def test_a_log_within_the_limit_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    assert not logs.cut(log)
    log.write_text("short")
    assert not logs.cut(log)
    assert [path.name for path in tmp_path.iterdir()] == ["web.log"]


def test_the_last_error_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    assert logs.last_error(log) == ""
    log.write_text('{"event": "fine", "level": "info"}\nTraceback of somebody else\n')
    assert logs.last_error(log) == ""
    first = {
        "account": "live:1",
        "event": "first",
        "level": "error",
        "logger": "x",
        "timestamp": "2026-01-05T03:00:00.1Z",
    }
    last = {"account": "live:2", "event": "last", "level": "critical", "timestamp": "2026-01-05T03:00:01.2Z"}
    log.write_text("\n".join([json.dumps(first), json.dumps(last), '{"event": "fine", "level": "info"}', ""]))
    assert logs.last_error(log) == "2026-01-05T03:00:01 last: account live:2"
    log.write_text(json.dumps(first) + "\n" + '{"event": "half", "level": "error", "ti')
    assert logs.last_error(log) == "2026-01-05T03:00:00 first: account live:1"


def test_children_run_and_stop_when_asked(make_child: MakeChild, said: list[str]) -> None:
    both = [make_child(SLEEPS), make_child(SLEEPS)]
    supervisor = Supervisor([], both, said.append)
    supervisor.start()
    eventually(lambda: all(map(is_up, both)))
    assert not supervisor.wait(0.0)
    supervisor.on_signal(signal.SIGTERM, None)
    assert supervisor.wait(60.0)
    supervisor.stop()
    assert [child.running for child in both] == [False, False]
    assert said == []


def test_a_child_that_dies_is_started_again_and_its_death_is_told(make_child: MakeChild, said: list[str]) -> None:
    child = make_child(SLEEPS)
    supervisor = Supervisor([], [child], said.append)
    supervisor.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervisor.wait(0.05) or child.pid not in (None, first))
    assert said == [f"process0 ended by SIGKILL; it starts again in 1 s. Its log: {child.log}"]
    assert child.restarts == 1


def is_gone(pid: int) -> bool:
    """Nobody may be there to collect it: a zombie is gone."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("what_then", ["watched", "stopped"])
def test_what_a_killed_child_had_started_goes_with_it(make_child: MakeChild, said: list[str], what_then: str) -> None:
    child = make_child(PARENT)
    supervisor = Supervisor([], [child], said.append)
    supervisor.start()
    grandchild = int(eventually(lambda: child.log.exists() and child.log.read_text().strip()))
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: children._has_ended(first))
    assert not is_gone(grandchild)
    if what_then == "watched":
        supervisor.watch()
        assert said[0].startswith("process0 ended by SIGKILL; it starts again in 1 s.")
    else:
        supervisor.stop()
    eventually(lambda: is_gone(grandchild))


def test_patience_grows_with_each_death(make_child: MakeChild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 0.01)
    child = make_child(ENDS)
    child._pause_s = children.FIRST_PAUSE_S
    child.start()
    told: list[str] = []
    pauses: list[float] = []

    def watch() -> bool:
        pause = child._pause_s
        if words := child.watch():
            told.append(words)
            pauses.append(pause)
        return len(told) == 4

    eventually(watch)
    assert pauses == [0.01, 0.02, 0.04, 0.08]
    assert told[0].startswith("process0 ended with exit status 3; it starts again in ")


def test_a_child_that_ignores_the_request_is_killed(
    make_child: MakeChild, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.stack.supervisor.STOP_LIMIT_S", 0.3)
    child = make_child(STUBBORN)
    supervisor = Supervisor([], [child], said.append)
    supervisor.start()
    eventually(lambda: is_up(child))
    supervisor.stop()
    assert not child.running
    assert said == ["process0 did not stop in time; killing it."]


def test_a_second_signal_hurries(make_child: MakeChild, said: list[str]) -> None:
    child = make_child(STUBBORN)
    supervisor = Supervisor([], [child], said.append)
    supervisor.start()
    eventually(lambda: is_up(child))
    signal.signal(signal.SIGALRM, supervisor.on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        supervisor.stop()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert not child.running


def test_a_server_that_dies_is_started_again(tmp_path: Path, said: list[str]) -> None:
    server = embedded.start_ledger(tmp_path / "ledger")
    try:
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        eventually(lambda: server.pid is None)
        Supervisor([server], [], said.append).watch()
        assert server.pid not in (None, first)
        assert said == [f"ledger has ended; starting it again. Its log: {server.log}"]
    finally:
        server.kill()


def test_a_folder_is_held_by_one_stack(tmp_path: Path) -> None:
    with (
        folder.held(tmp_path),
        pytest.raises(StackRefused, match=f"already runs in {tmp_path} \\(process {os.getpid()}\\)"),
        folder.held(tmp_path),
    ):
        pytest.fail("held twice")
    with folder.held(tmp_path):
        pass


def test_orphans_are_found_by_their_mark(make_child: MakeChild, tmp_path: Path) -> None:
    child = make_child(SLEEPS)
    child.start()
    eventually(lambda: is_up(child))
    assert folder.end_orphans(tmp_path / "another") == 0
    assert child.running
    assert folder.end_orphans(tmp_path) == 1
    eventually(child.stopped)


def test_reset_removes_what_a_stack_made_and_nothing_else(tmp_path: Path) -> None:
    server = embedded.start_ledger(tmp_path / "ledger")
    (tmp_path / "demo_password").write_text("x")
    (tmp_path / "metrics").mkdir()
    (tmp_path / "mine.txt").write_text("x")
    pid = server.pid
    assert pid is not None
    folder.reset(tmp_path)
    server.kill()
    assert not psutil.pid_exists(pid)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_stack_begins_to_count_anew_and_leaves_what_others_keep_there(tmp_path: Path) -> None:
    theirs = ["counter_.db", "counter_1.db.txt", "sqlite_1.db", "notes.db"]
    for name in ("counter_12.db", "histogram_7.db", *theirs):
        (tmp_path / name).write_text("x")
    folder.forget_counts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(theirs)


def test_reset_is_refused_while_a_stack_runs(tmp_path: Path) -> None:
    (tmp_path / "demo_password").write_text("x")
    with folder.held(tmp_path), pytest.raises(StackRefused):
        folder.reset(tmp_path)
    assert (tmp_path / "demo_password").exists()


def test_a_folder_that_can_not_be_made_is_told() -> None:
    wanted = r"The data folder /proc/x can't be used .*DATA_DIR"
    with pytest.raises(StackRefused, match=wanted), folder.held(Path("/proc/x")):
        pytest.fail("held")


@pytest.mark.parametrize(
    ("setting", "variable", "what"),
    [("LEDGER_URL", "REDIS_URL", "ledger"), ("MARKET_URL", "MARKET_REDIS_URL", "market instance")],
)
def test_a_redis_that_does_not_answer_is_told_with_its_variable(
    book: Book, settings: Settings, setting: str, variable: str, what: str
) -> None:
    setattr(settings, setting, "redis://127.0.0.1:1/0")
    connection.close_all()
    with pytest.raises(StackRefused, match=rf"(?s)The {what} can't be used: .*127.0.0.1:1.*Check {variable}, or unset"):
        preparation.check_redis()


def test_a_port_in_use_is_told_with_another_one_to_try() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(StackRefused, match=f"Port {port} on 127.0.0.1 can't be used .*WEB_PORT={port + 1} "):
            preparation.check_port("127.0.0.1", port)
        assert preparation.answers("127.0.0.1", port)
    preparation.check_port("127.0.0.1", port)
    assert not preparation.answers("127.0.0.1", port)


def test_a_server_that_can_not_be_started_is_tried_again_and_stops_nothing(
    make_child: MakeChild, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.stack.supervisor.SERVER_PAUSE_S", 0.2)
    server = embedded.market(folders.fresh() / "market")
    server.start()
    child = make_child(SLEEPS)
    supervisor = Supervisor([server], [child], said.append)
    supervisor.start()
    config = server.config
    try:
        server.kill()
        server.config = {**config, "no-such-setting": "1"}
        eventually(lambda: supervisor.wait(0.05) or len(said) >= 4)
        assert child.running
        server.config = config
        eventually(lambda: supervisor.wait(0.05) or server.pid is not None)
    finally:
        server.kill()
    assert "tried again" in said[1]
