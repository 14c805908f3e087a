"""From nothing to everything, in words, and back."""

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

from django.db import connections
from rich.console import Console

from copytrading import env, logs
from copytrading.env import Env
from copytrading.kernel import clock
from orders.book import connection
from workers import board
from workers.readings import ProcessReading
from workers.stack import folder, output, preparation
from workers.stack.child import Child
from workers.stack.logs import last_error
from workers.stack.preparation import Demo
from workers.stack.processes import processes
from workers.stack.supervisor import Supervisor

START_LIMIT_S = 60.0
_MOST_FAULTS = 8
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Handler = Callable[[int, FrameType | None], None]


def everything(settings: Env) -> None:
    """Returns when it was asked to stop and all is stopped.

    Raises StackRefused or ServerFailed, or KeyboardInterrupt when stopped before all was up; nothing is left running.
    """
    console = output.console()
    began = clock.monotonic()
    _on_signals(_interrupt)
    with closing(console.file), folder.held(settings.data_dir):
        logs.OUTPUT.turn_to(_logs(settings) / "stack.log")
        if ended := folder.end_orphans(settings.data_dir):
            console.print(f"Ended {ended} processes that an earlier run had left behind.")
        preparation.check_port(settings.bind, settings.web_port)
        folder.forget_counts(settings.metrics_dir)
        console.print(f"Starting; Ctrl-C stops everything. Data and logs are in {settings.data_dir}")
        with preparation.servers(settings, console.print) as servers:
            preparation.check_redis()
            preparation.make_tables()
            closed = preparation.open_ledger()
            demo = preparation.seed(settings, deposits=not closed) if settings.demo else None
            connections.close_all()
            supervisor = Supervisor(servers, _children(settings), console.print)
            with _supervised(supervisor, console):
                _await_web(settings, supervisor)
                about = _about(settings, demo)
                told = f"\nEverything is up after {clock.monotonic() - began:.0f} s."
                if closed:
                    told += "\nBut nobody trades: the ledger has lost what the record has. See docs/operations.md."
                console.print(told, *closed[:_MOST_FAULTS], *about, sep="\n  ", end="\n\n")
                _show(console, supervisor, about)
        console.print("Everything is stopped; the data are kept.")


@contextmanager
def _supervised(supervisor: Supervisor, console: Console) -> Iterator[None]:
    _on_signals(supervisor.on_signal)
    try:
        supervisor.start()
        for child in supervisor.children:
            console.print(f"  {child.process.name:16} {child.process.purpose}")
        yield
    finally:
        console.print("Stopping ...")
        supervisor.stop()
        connection.close_all()


def _children(settings: Env) -> list[Child]:
    environ = env.for_child(settings, **{folder.MARK: str(settings.data_dir)})
    return [Child(process, _logs(settings) / f"{process.name}.log", environ) for process in processes(settings)]


def _logs(settings: Env) -> Path:
    made = settings.data_dir / "logs"
    made.mkdir(exist_ok=True)
    return made


def _await_web(settings: Env, supervisor: Supervisor) -> None:
    """Until the web answers; it may take longer than that on a busy machine, and is then told to be late."""
    deadline = clock.monotonic() + START_LIMIT_S
    while clock.monotonic() < deadline and not supervisor.wait(0.1):
        if preparation.answers(settings.own_host, settings.web_port):
            return


def _about(settings: Env, demo: Demo | None) -> list[str]:
    site = f"http://{settings.own_host}:{settings.web_port}"
    addresses = [f"API       {site}/api/docs", f"Admin     {site}/admin/"]
    if demo is None:
        return addresses
    kept = f" (kept in {demo.password_kept_in})" if demo.password_kept_in else ""
    return [
        *addresses,
        f"Log in as {', '.join(demo.log_ins)}; password: {demo.password}{kept}",
        *(f"{account!s:24} {owner:12} {key}" for account, owner, key in demo.accounts),
    ]


def _show(console: Console, supervisor: Supervisor, about: list[str]) -> None:
    with board.Sampler(lambda: _processes(supervisor)) as sampler:
        board.show(
            console,
            supervisor.wait,
            lambda: board.screen(sampler.latest, about[:3]),
            lambda: board.line(sampler.latest),
        )


def _processes(supervisor: Supervisor) -> list[ProcessReading]:
    return [
        ProcessReading(
            child.process.name, child.pid, int(child.up_s), child.restarts, child.memory(), last_error(child.log)
        )
        for child in supervisor.children
    ]


def _on_signals(handler: Handler) -> None:
    for number in HANDLED:
        signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
