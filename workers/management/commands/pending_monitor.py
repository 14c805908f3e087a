import threading
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workers.base import Worker
from workers.management.options import WorkerCommand
from workers.monitors.pending import PendingMonitor


class Command(WorkerCommand):
    help = (
        "Fires local pending orders, stop losses and take profits as prices touch them, and ends pending orders that "
        "expired. Split the instruments over several monitors with --shard; two on one shard do no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--shard", default="0/1", help="Share of the instruments: 0/4 is the first of four.")

    def made(self, options: dict[str, Any], stop: threading.Event) -> Worker:
        number, _, of = options["shard"].partition("/")
        if not (number.isdigit() and of.isdigit() and int(number) < int(of)):
            raise CommandError(f"--shard {options['shard']} is no share; write 0/4 for the first of four")
        monitor = PendingMonitor(options["consumer"], options["batch"], stop)
        monitor.shard = (int(number), int(of))
        return monitor
