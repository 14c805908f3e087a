from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts import trail
from orders.book import guard, rebuild
from workers.management.options import accounts_named, add_account_option


class Command(BaseCommand):
    help = (
        "Brings accounts that Redis lost, or knows less of than PostgreSQL does, back from the record. Others are left "
        "alone. Each goes on 1,000,000 versions later, and is noted. Run audit before and after; nothing else "
        "may trade meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_account_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for rebuilt in rebuild.rebuild(accounts_named(options)):
            count += 1
            self.stdout.write(f"{rebuilt.account}: version {rebuilt.version}, {rebuilt.orders} live orders")
            after = {"version": rebuilt.version, "orders": rebuilt.orders}
            trail.note(trail.console(), "rebuild_book", str(rebuilt.account), after=after)
        self.stdout.write(f"{count} accounts rebuilt")
        for fault in guard.clear():
            self.stdout.write(f"still closed for trading: {fault}")
