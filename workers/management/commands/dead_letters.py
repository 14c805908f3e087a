from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import trail
from copytrading.kernel import clock
from orders.book import work
from orders.book.codec import to_json
from orders.book.connection import ledger
from orders.verbs import letter as letters


class Command(BaseCommand):
    help = (
        "Messages that failed five times: list, show, retry (back into the queue) or discard. "
        "What is retried or discarded is noted in the audit log, with what was in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "show", "retry", "discard"])
        parser.add_argument("ids", nargs="*", help="Ids as list prints them, or: all.")
        parser.add_argument("--queue", choices=work.QUEUES, help="Only this queue.")
        parser.add_argument("--reason", default="", help="Why it is retried or discarded, for the audit log.")

    def handle(self, *args: Any, **options: Any) -> None:
        queues = [options["queue"]] if options["queue"] else work.QUEUES
        dead = [letter for queue in queues for letter in work.dead_letters(ledger(), queue)]
        if options["action"] == "list":
            for letter in dead:
                died = f"{clock.from_ms(letter.died_at_ms):%Y-%m-%d %H:%M:%S}"
                self.stdout.write(f"{letter.id}  {letter.queue}  {died}  {letter.error[:100]}")
            self.stdout.write(f"{len(dead)} dead letters")
            return
        for letter in self._named(dead, options["ids"]):
            self._act(options["action"], letter, options["reason"])

    def _named(self, letters: Iterable[work.DeadLetter], ids: list[str]) -> list[work.DeadLetter]:
        if not ids:
            raise CommandError("name the letters by the ids that `dead_letters list` prints, or write: all")
        by_id = {letter.id: letter for letter in letters}
        if ids == ["all"]:
            return list(by_id.values())
        if missing := [name for name in ids if name not in by_id]:
            raise CommandError(f"there is no dead letter {', '.join(missing)}; see `dead_letters list`")
        return [by_id[name] for name in ids]

    def _act(self, action: str, letter: work.DeadLetter, reason: str) -> None:
        if action == "show":
            self.stdout.write(f"{letter.id} of {letter.queue}\n  {to_json(letter.fields)}\n  {letter.error}")
        elif action == "retry":
            done = letters.retry(letter.queue, letter.id, trail.console(), reason)
            self.stdout.write(
                f"{letter.id} is back in queue:{letter.queue}" if done else f"{letter.id} is gone already"
            )
        else:
            done = letters.discard(letter.queue, letter.id, trail.console(), reason)
            self.stdout.write(f"{letter.id} is discarded" if done else f"{letter.id} is gone already")
