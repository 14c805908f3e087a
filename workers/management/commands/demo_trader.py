"""`manage.py demo_trader`: trades by itself on the demo account of user autotrader."""

import random
import threading
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import DemoAccount
from workers.base import Worker
from workers.demo_trader import DemoTrader
from workers.management.options import WorkerCommand

_OWNER = "autotrader"


class Command(WorkerCommand):
    help = "Opens, places, protects and closes small random orders on the demo account of user autotrader."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--seed", type=int, help="Repeats the choices of an earlier run.")

    def made(self, options: dict[str, Any], stop: threading.Event) -> Worker:
        account = DemoAccount.objects.filter(owner__username=_OWNER).order_by("id").first()
        if account is None:
            raise CommandError(f"User {_OWNER} has no demo account. Run `manage.py seed_demo` first.")
        seed = options["seed"] if options["seed"] is not None else random.SystemRandom().randrange(1_000_000)
        self.stdout.write(f"Trading on {account.ref}; the same choices again: manage.py demo_trader --seed {seed}")
        return DemoTrader(account.ref, f"user:{account.owner_id}", seed, stop)
