"""worker_record: the recorder as a process."""

from collections.abc import Sequence

from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef
from orders import recorder
from orders.book.work import Message
from workers.base import StreamWorker


class RecordWorker(StreamWorker):
    """Takes announcements, folds the journals of the accounts they name into PostgreSQL."""

    name = "worker_record"
    queue = "record"

    def handle(self, messages: Sequence[Message]) -> None:
        accounts = {AccountRef.parse(message.fields["account"]) for message in messages}
        while True:
            done = recorder.record(accounts)
            if done.stuck:
                raise InvariantBroken("; ".join(f"{account}: {why}" for account, why in done.stuck.items()))
            if not done.entries:
                return
            accounts = set(done.versions)
