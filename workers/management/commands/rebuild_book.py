from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from copytrading.kernel.ids import AccountRef
from orders.book import guard, rebuild


class Command(BaseCommand):
    help = (
        "Brings accounts that Redis lost, or knows less of than PostgreSQL does, back from the record. Others are left "
        "alone. Each goes on 1,000,000 versions later. Run audit before and after; nothing else may trade meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", action="append", help="Only this account, such as live:17. May be repeated.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            accounts = None if options["account"] is None else [AccountRef.parse(name) for name in options["account"]]
        except ValueError as error:
            raise CommandError(str(error)) from error
        count = 0
        for rebuilt in rebuild.rebuild(accounts):
            count += 1
            self.stdout.write(f"{rebuilt.account}: version {rebuilt.version}, {rebuilt.orders} live orders")
        self.stdout.write(f"{count} accounts rebuilt")
        for fault in guard.clear():
            self.stdout.write(f"still closed for trading: {fault}")
