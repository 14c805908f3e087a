import threading
from typing import Any

from django.core.management.base import CommandParser

from workers.base import Worker
from workers.management.options import WorkerCommand, add_shard_option, shard_named
from workers.monitors.margin import MarginMonitor


class Command(WorkerCommand):
    help = (
        "Measures equity, free margin and margin level of every account that holds something, on every price, "
        "and latches margin calls. Stop-out is not carried out yet. Split the accounts over several monitors with "
        "--shard; two on one shard do no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_shard_option(parser, "accounts")

    def made(self, options: dict[str, Any], stop: threading.Event) -> Worker:
        monitor = MarginMonitor(options["consumer"], options["batch"], stop)
        monitor.shard = shard_named(options)
        return monitor
