"""Options and clean stop that every worker command shares."""

import _thread
import gc
import signal
import threading
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from copytrading.kernel.ids import AccountRef
from orders.book import guard
from workers.base import Worker

WRONG_ACCOUNT = 3  # of audit, "could not check"


def add_account_option(parser: CommandParser) -> None:
    parser.add_argument("--account", action="append", help="Only this account, such as live:17. May be repeated.")


def accounts_named(options: dict[str, Any]) -> list[AccountRef]:
    """Those of `--account`, or every account in the book."""
    entered = [account for account, _ in guard.entered_accounts()]
    try:
        named = [AccountRef.parse(name) for name in options["account"] or ()]
    except ValueError as error:
        raise CommandError(str(error), returncode=WRONG_ACCOUNT) from error
    if strangers := sorted(set(named) - set(entered)):
        told = f"{', '.join(map(str, strangers))} never entered the book: check kind and id"
        raise CommandError(told, returncode=WRONG_ACCOUNT)
    return named or entered


def stop_on_signals() -> threading.Event:
    """Set on SIGTERM and Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # From another thread: set() would wait for ever on a lock that the interrupted wait() holds. A bare one,
        # since starting a Thread takes locks that may be held as well.
        signal.signal(number, lambda *_: _thread.start_new_thread(stop.set, ()))
    return stop


def add_shard_option(parser: CommandParser, of_what: str) -> None:
    parser.add_argument("--shard", default="0/1", help=f"Share of the {of_what}: 0/4 is the first of four.")


def shard_named(options: dict[str, Any]) -> tuple[int, int]:
    number, _, of = options["shard"].partition("/")
    if not (number.isdigit() and of.isdigit() and int(number) < int(of)):
        raise CommandError(f"--shard {options['shard']} is no share; write 0/4 for the first of four")
    return int(number), int(of)


def spare_the_collector() -> None:
    """What was imported stays: looked through for garbage again and again it would stop ticks for 0.2 s each time."""
    gc.collect()
    gc.freeze()


class WorkerCommand(BaseCommand):
    """`manage.py <worker>`: runs one worker until SIGTERM or Ctrl-C, finishing the step under way."""

    worker: ClassVar[type[Worker]]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--consumer", default="", help="Name among its kind; default: host and process.")
        parser.add_argument("--batch", type=int, default=200, help="How many messages to take at once (default 200).")
        parser.add_argument("--once", action="store_true", help="Stop when there is nothing more to do.")

    def handle(self, *args: Any, **options: Any) -> None:
        worker = self.made(options, stop_on_signals())
        spare_the_collector()
        worker.run(once=options["once"])

    def made(self, options: dict[str, Any], stop: threading.Event) -> Worker:
        return self.worker(options["consumer"], options["batch"], stop)
