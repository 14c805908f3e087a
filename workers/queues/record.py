"""worker_record: the recorder as a process."""

from collections.abc import Sequence

from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef
from orders import recorder
from orders.book.connection import ledger
from orders.book.work import Message, dead_letters
from workers.base import StreamWorker


class RecordWorker(StreamWorker):
    """Takes announcements, folds the journals of the accounts they name into PostgreSQL.

    News of an account with a dead letter is taken and left: its journal waits for whoever retries that letter.
    """

    name = "worker_record"
    queue = "record"

    def handle(self, messages: Sequence[Message]) -> None:
        parked = {letter.fields.get("account") for letter in dead_letters(ledger(), self.queue)}
        named = {message.fields["account"] for message in messages} - parked
        accounts = {AccountRef.parse(account) for account in named}
        while accounts:
            done = recorder.record(accounts)
            if done.stuck:
                raise InvariantBroken("; ".join(f"{account}: {why}" for account, why in done.stuck.items()))
            accounts = done.more
