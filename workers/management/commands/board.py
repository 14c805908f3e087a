"""`manage.py board`: the board of a stack that runs elsewhere."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console

from workers import board


class Command(BaseCommand):
    help = "Shows accounts, orders, queues, deals, quotes and workers, on a terminal as one live screen, until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        console = Console(highlight=False, soft_wrap=True)
        with board.Sampler() as sampler:
            board.show(console, stop.wait, lambda: board.screen(sampler.latest), lambda: board.line(sampler.latest))
