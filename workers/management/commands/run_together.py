"""`manage.py run_together`: several light workers as threads of one process."""

import threading
from typing import Any

from django.core.management import load_command_class
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from workers.base import Worker
from workers.management.options import WorkerCommand, spare_the_collector, stop_on_signals


class Command(BaseCommand):
    help = "Runs several workers in one process, each with its defaults. When one of them breaks, all end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workers", nargs="+", metavar="worker", help="Names of worker commands, such as sweeper.")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = stop_on_signals()
        broken: list[str] = []
        threads = [
            threading.Thread(target=_run, args=(_made(name, stop), stop, broken), name=name)
            for name in options["workers"]
        ]
        spare_the_collector()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if broken:
            raise CommandError(f"{', '.join(broken)} broke; its traceback is above.")


def _made(name: str, stop: threading.Event) -> Worker:
    try:
        command = load_command_class("workers", name)
    except ModuleNotFoundError as error:
        raise CommandError(f"There is no worker named {name}. `manage.py help` lists them under [workers].") from error
    if not isinstance(command, WorkerCommand):
        raise CommandError(f"{name} is a command, but no worker.")
    return command.made(vars(command.create_parser("manage.py", name).parse_args([])), stop)


def _run(worker: Worker, stop: threading.Event, broken: list[str]) -> None:
    """Whatever ends one worker ends the process: half of a stack would look like all of it."""
    try:
        worker.run()
    except BaseException:
        broken.append(worker.name)
        raise
    finally:
        stop.set()
        connections.close_all()
