import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from copytrading.kernel.ids import AccountRef
from orders import replay
from orders.book import guard


class Command(BaseCommand):
    help = (
        "Reads the journals that are still in Redis once more: compares what is recorded, adds what is missing. "
        "Exit status 1 if an entry differs or can't be recorded."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", action="append", help="Only this account, such as live:17. May be repeated.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            named = [AccountRef.parse(name) for name in options["account"] or ()]
        except ValueError as error:
            raise CommandError(str(error)) from error
        accounts = named or [account for account, _ in guard.entered_accounts()]
        compared = added = wrong = 0
        for result in replay.replay(accounts):
            compared, added = compared + result.compared, added + result.added
            if result.differing:
                wrong += 1
                self.stdout.write(f"{result.account}: versions {list(result.differing)} differ from what is recorded")
            if result.stuck:
                wrong += 1
                self.stdout.write(f"{result.account}: {result.stuck}")
        told = f"{compared} entries compared, {added} added, {wrong} accounts wrong"
        self.stdout.write(f"{len(accounts)} accounts: {told}")
        sys.exit(1 if wrong else 0)
