"""`manage.py market_feed`: quotes for every instrument, from recorded ticks, or made up."""

import argparse
import threading
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts.models import Instrument
from workers.base import Worker
from workers.feed import source
from workers.feed.feed import MarketFeed, programme
from workers.feed.formats import FormatError
from workers.feed.simulate import Simulated
from workers.management.options import WorkerCommand

HELP = """\
Puts quotes of every instrument of the catalogue on the market instance, as a market would.

Recorded ticks are played in a loop, shifted to now, with their original gaps (those over 10 s, such as
weekends, are cut to 1 s). Every instrument without a recording is simulated beside it: a seeded
random walk that comes back to a reference price, 1 to 5 ticks a second.

Sources (--source, or the environment variable FEED):
  (nothing)          the generated EURUSD file that is shipped with this
  simulated          no recording, every instrument made up
  replay:PATH (--source takes PATH alone too), with @10 behind it for ten times the speed:
    a Lean tick-quote zip    YYYYMMDD_quote.zip; UTC, or UTC-05 in a folder named fxcm
    a TrueFX file            .csv or .csv.gz with the header timestamp,bid,ask; as written, else UTC
    a HistData file          .csv or .csv.gz without header, YYYYMMDD HHMMSSmmm,bid,ask,0; UTC-05
    a folder of one venue    all its tick files, symbols merged by time, on the days that all of them have

Ticks are dropped and counted when crossed, not positive, behind the last one, or further than 10 %
from it (until three in a row agree). Counts go to the log each minute. An instrument that is not in
the catalogue is not played; after a change of the catalogue start the feed again. With --once it
plays one pass through the recording, or one tick of each instrument when all are simulated.
"""
EXAMPLES = """\
examples:
  manage.py market_feed
  manage.py market_feed --source simulated --seed 7
  manage.py market_feed --source ~/ticks/oanda/tick/eurusd/20140501_quote.zip@10
  manage.py market_feed --source ~/ticks/oanda/tick
  manage.py market_feed --source ticks.csv.gz --symbol USDJPY --speed 100 --once
"""


class Command(WorkerCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, epilog=EXAMPLES, **kwargs)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--source", default=settings.FEED, help="What to play, see above (default: %(default)r).")
        parser.add_argument("--symbol", help="The instrument in the source, when its name does not tell.")
        parser.add_argument("--speed", type=float, help="Divides the gaps of the recording, in place of @SPEED.")
        parser.add_argument("--seed", type=int, default=1, help="Of the simulated prices (default 1).")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except FormatError as error:
            raise CommandError(str(error)) from error

    def made(self, options: dict[str, Any], stop: threading.Event) -> Worker:
        instruments = [
            Simulated(each.symbol, each.tick, each.instrument_class, each.price_age_ms)
            for each in Instrument.objects.all()
        ]
        if not instruments:
            raise CommandError("The catalogue has no instruments. Load the demo data, or add some in the admin, first.")
        chosen = source.parse(options["source"])
        if options["speed"] is not None:
            chosen = replace(chosen, speed=source.checked_speed(options["speed"]))
        planned = programme(chosen, instruments, symbol=options["symbol"], seed=options["seed"], once=options["once"])
        return MarketFeed(planned, options["consumer"], options["batch"], stop)
