import threading
from typing import Any

from django.core.management.base import CommandParser

from workers.base import Worker
from workers.management.options import WorkerCommand, add_shard_option, shard_named
from workers.monitors.pending import PendingMonitor


class Command(WorkerCommand):
    help = (
        "Fires local pending orders, stop losses and take profits as prices touch them, and ends pending orders that "
        "expired. Split the instruments over several monitors with --shard; two on one shard do no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_shard_option(parser, "instruments")

    def made(self, options: dict[str, Any], stop: threading.Event) -> Worker:
        monitor = PendingMonitor(options["consumer"], options["batch"], stop)
        monitor.shard = shard_named(options)
        return monitor
