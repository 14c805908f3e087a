from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import trail
from copytrading.kernel import clock
from orders.rules.halts import Halt
from orders.verbs import halt as halts


class Command(BaseCommand):
    help = (
        "Stops trading on the platform, for a group or in an instrument, or lifts that. In force at once; works "
        "without PostgreSQL. Noted in the audit log. Without arguments: the halts that stand. "
        "Example: halt instrument:EURUSD --reason 'feed is down'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scope", nargs="?", help="platform, group:<name> or instrument:<symbol>.")
        parser.add_argument("--reason", help="Why; traders read that of a halt.")
        parser.add_argument("--everything", action="store_true", help="Closing too; without it only opening stops.")
        parser.add_argument("--until", help="When it ends by itself, such as 2026-01-31T18:00+00:00.")
        parser.add_argument("--lift", action="store_true", help="Lift the halt of this scope.")

    def handle(self, *args: Any, **options: Any) -> None:
        by = trail.console()
        if options["scope"] and options["lift"]:
            lifted = halts.lift(options["scope"], by, options["reason"] or "")
            self.stdout.write(f"{options['scope']}: {'lifted' if lifted else 'was not halted'}")
        elif options["scope"]:
            self._halt(options, by)
        standing = halts.standing()
        if not standing:
            self.stdout.write("nothing is halted")
        for halt in standing:
            until = f"until {clock.from_ms(halt.until_ms):%Y-%m-%d %H:%M} UTC" if halt.until_ms else "until lifted"
            what = "opening" if halt.opens_only else "everything"
            self.stdout.write(f"{halt.scope}: {what} is halted {until}: {halt.reason}")

    def _halt(self, options: dict[str, Any], by: str) -> None:
        if not options["reason"]:
            raise CommandError("say why with --reason; traders read it")
        until_ms = 0
        if options["until"]:
            try:
                until = datetime.fromisoformat(options["until"])
            except ValueError as error:
                raise CommandError(f"--until {options['until']} is no time; write 2026-01-31T18:00+00:00") from error
            if until.tzinfo is None:
                raise CommandError("--until needs a time zone, such as +00:00")
            until_ms = clock.to_ms(until)
            if until_ms <= clock.now_ms():
                raise CommandError("--until has passed already")
        refused = halts.halt(Halt(options["scope"], not options["everything"], options["reason"], until_ms), by)
        if refused:
            raise CommandError(f"{refused.detail}: {' '.join(refused.fields.values())}")
