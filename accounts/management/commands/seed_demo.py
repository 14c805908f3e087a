"""`manage.py seed_demo`: demo users, terms and accounts."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import demo


class Command(BaseCommand):
    help = (
        "Writes the demo users, instruments, groups and accounts that are missing, and gives every demo user the "
        "password. Balances come from deposits."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--password", default="", help="Of every demo user; else DEMO_PASSWORD is used.")

    def handle(self, *args: Any, **options: Any) -> None:
        password = options["password"] or settings.ENV.demo_password
        if not password:
            raise CommandError("Give --password, or set DEMO_PASSWORD.")
        seeded = demo.seed(password, anew=True)
        for name, user in seeded.users.items():
            self.stdout.write(f"{name:12} {user.role}")
        for key, account in seeded.accounts.items():
            self.stdout.write(f"{account.account_number:12} {account.ref!s:22} {account.group_id:10} {key}")
