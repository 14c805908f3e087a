import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts import trail
from orders import replay
from workers.management.options import accounts_named, add_account_option


class Command(BaseCommand):
    help = (
        "Reads the journals that are still in Redis once more: compares what is recorded, adds what is missing. "
        "Noted in the audit log. Exit status 1 if an entry differs or can't be recorded."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_account_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = accounts_named(options)
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
        after = {"accounts": len(accounts), "compared": compared, "added": added, "wrong": wrong}
        trail.note(trail.console(), "replay_journal", after=after)
        sys.exit(1 if wrong else 0)
