"""`manage.py board`: the board of a system that runs, here or elsewhere."""

from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console

from workers import board
from workers.management.options import stop_on_signals
from workers.readings import Reader

_HELP = """\
How the running system is, on one screen that is read anew every second, until Ctrl-C.

It asks PostgreSQL, the ledger and the market instance that DATABASE_URL, REDIS_URL and
MARKET_REDIS_URL (or DATA_DIR) name, changes nothing, and may run as often as you like beside
the stack. A server that is away is named, and the rest is shown.

  first line        whether trading works, in words; below it what is wrong and what to do
  Book and record   how far the recorder is behind the book, waiting announcements, dead letters,
                    transfers under way, the last audit, halts in force
  Workers           when each was heard last, whether it works or waits, and what it tells
  Processes         of a supervisor (manage.py stack), if one runs
  Quotes            with their age; red when too old to trade on

Where the output is no terminal it prints one line every ten seconds.
"""


class Command(BaseCommand):
    help = _HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Print one screen and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(highlight=False, soft_wrap=True)
        if options["once"]:
            console.print(board.screen(Reader().take()), soft_wrap=False)
            return
        stop = stop_on_signals()
        with board.Sampler() as sampler:
            board.show(console, stop.wait, lambda: board.screen(sampler.latest), lambda: board.line(sampler.latest))
