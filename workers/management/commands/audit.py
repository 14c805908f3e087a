import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from copytrading.kernel import clock
from orders.audit import Difference, Outcome, report
from orders.audit import audit as differences_of
from workers.management.options import accounts_named, add_account_option


class Command(BaseCommand):
    help = (
        "Compares Redis with PostgreSQL, account by account, and names each difference. Changes nothing. "
        "Exit status: 0 clean, 1 drift, 2 loss suspected, 3 could not check."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_account_option(parser)
        parser.add_argument("--keep", action="store_true", help="Keep the result in the record, as the nightly audit.")

    def handle(self, *args: Any, **options: Any) -> None:
        started = clock.monotonic()
        try:
            accounts = accounts_named(options)
        except DatabaseError as error:
            self.stdout.write(f"could not check: PostgreSQL can't be asked which accounts there are: {error}")
            sys.exit(Outcome.UNCHECKED)
        found: list[Difference] = []
        for difference in differences_of(accounts):
            found.append(difference)
            self.stdout.write(f"{difference.what:24} {difference.where:32} {difference.detail}")
        ended = report(found, len(accounts), clock.monotonic() - started)
        self.stdout.write(ended.summary)
        if options["keep"]:
            ended.save()
        sys.exit(ended.outcome)
