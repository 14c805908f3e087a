"""`manage.py demo_trader`: trades by itself on the demo account of user autotrader."""

import random
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import DemoAccount
from workers.demo_trader import DemoTrader

_OWNER = "autotrader"


class Command(BaseCommand):
    help = "Opens, places, protects and closes small random orders on the demo account of user autotrader."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, help="Repeats the choices of an earlier run.")

    def handle(self, *args: Any, **options: Any) -> None:
        account = DemoAccount.objects.filter(owner__username=_OWNER).order_by("id").first()
        if account is None:
            raise CommandError(f"User {_OWNER} has no demo account. Run `manage.py seed_demo` first.")
        seed = options["seed"] if options["seed"] is not None else random.SystemRandom().randrange(1_000_000)
        self.stdout.write(f"Trading on {account.ref}; the same choices again: manage.py demo_trader --seed {seed}")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        DemoTrader(account.ref, f"user:{account.owner_id}", seed, stop).run()
