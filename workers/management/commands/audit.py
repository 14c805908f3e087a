import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from copytrading.kernel import clock
from copytrading.kernel.ids import AccountRef
from orders.audit import Difference, Outcome, outcome_of, report
from orders.audit import audit as differences_of
from orders.book import guard


class Command(BaseCommand):
    help = (
        "Compares Redis with PostgreSQL, account by account, and names each difference. Changes nothing. "
        "Exit status: 0 clean, 1 drift, 2 loss suspected, 3 could not check."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", action="append", help="Only this account, such as live:17. May be repeated.")
        parser.add_argument("--keep", action="store_true", help="Keep the result in the record, as the nightly audit.")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = _parsed(options["account"])
        started = clock.monotonic()
        found = []
        for difference in differences_of(accounts):
            found.append(difference)
            self.stdout.write(f"{difference.what:24} {difference.where:32} {difference.detail}")
        checked = len(accounts) if accounts else len(guard.entered_accounts()) if _checked(found) else 0
        ended = report(found, checked, clock.monotonic() - started)
        self.stdout.write(ended.summary)
        if options["keep"]:
            ended.save()
        sys.exit(ended.outcome)


def _checked(found: list[Difference]) -> bool:
    return outcome_of(found) is not Outcome.UNCHECKED


def _parsed(names: list[str] | None) -> list[AccountRef] | None:
    try:
        return None if names is None else [AccountRef.parse(name) for name in names]
    except ValueError as error:
        raise CommandError(str(error)) from error
