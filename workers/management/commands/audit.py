import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from copytrading.kernel.ids import AccountRef
from orders.audit import Outcome, outcome_of
from orders.audit import audit as differences_of
from orders.book import guard
from orders.models import AuditReport

_WORDS = {
    Outcome.CLEAN: "clean: the book and the record agree",
    Outcome.DRIFT: "drift: the differences above are to be explained or mended",
    Outcome.LOSS: "loss suspected: stop trading (manage.py halt platform), then manage.py rebuild_book",
    Outcome.UNCHECKED: "could not check: see above for what is down",
}


class Command(BaseCommand):
    help = (
        "Compares Redis with PostgreSQL, account by account, and names each difference. Changes nothing. "
        "Exit status: 0 clean, 1 drift, 2 loss suspected, 3 could not check."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", action="append", help="Only this account, such as live:17. May be repeated.")
        parser.add_argument("--keep", action="store_true", help="Keep the result in the record (the nightly audit does).")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = _parsed(options["account"])
        started = time.perf_counter()
        found = []
        for difference in differences_of(accounts):
            found.append(difference)
            self.stdout.write(f"{difference.what:24} {difference.where:32} {difference.detail}")
        outcome = outcome_of(found)
        checked = len(accounts) if accounts else (0 if outcome is Outcome.UNCHECKED else len(guard.entered_accounts()))
        summary = f"{checked} accounts, {len(found)} differences in {time.perf_counter() - started:.1f} s; {_WORDS[outcome]}"
        self.stdout.write(summary)
        if options["keep"]:
            AuditReport.objects.create(
                outcome=outcome,
                accounts=checked,
                under_way=0,
                differences=[[d.what, d.where, d.detail] for d in found[:1000]],
                summary=summary,
            )
        sys.exit(int(outcome))


def _parsed(names: list[str] | None) -> list[AccountRef] | None:
    try:
        return None if names is None else [AccountRef.parse(name) for name in names]
    except ValueError as error:
        raise CommandError(str(error)) from error
