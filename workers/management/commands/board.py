"""`manage.py board`: the board of a stack that runs elsewhere."""

from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console

from workers import board
from workers.management.options import stop_on_signals


class Command(BaseCommand):
    help = "Shows accounts, orders, queues, deals, quotes and workers, on a terminal as one live screen, until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = stop_on_signals()
        console = Console(highlight=False, soft_wrap=True)
        with board.Sampler() as sampler:
            board.show(console, stop.wait, lambda: board.screen(sampler.latest), lambda: board.line(sampler.latest))
