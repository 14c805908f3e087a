"""Folds the journals that are still in Redis into PostgreSQL once more, comparing what is recorded already."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from copytrading.kernel.ids import AccountRef
from orders import recorder
from orders.book.connection import Ledger, unguarded_ledger
from orders.book.streams import read_journal
from orders.models import JournalEntry


@dataclass(frozen=True, slots=True)
class Replayed:
    """`differing`: versions whose recorded text is not what the ledger has; `added`: versions that were missing."""

    account: AccountRef
    compared: int
    differing: tuple[int, ...]
    added: int
    stuck: str


def replay(accounts: Iterable[AccountRef], *, book: Ledger | None = None) -> Iterator[Replayed]:
    book = book or unguarded_ledger()
    for account in accounts:
        compared, differing = _compare(book, account)
        added = 0
        while True:
            done = recorder.record([account], book=book)
            added += done.entries
            if not done.entries:
                break
        yield Replayed(account, compared, tuple(differing), added, done.stuck.get(account, ""))


def _compare(book: Ledger, account: AccountRef) -> tuple[int, list[int]]:
    compared, after = 0, 0
    differing: list[int] = []
    while entries := read_journal(book, account, after):
        wanted = [version for version, _, _ in entries]
        rows = JournalEntry.objects.filter(account=str(account), version__in=wanted).values_list("version", "body")
        recorded = dict(rows)
        compared += len(recorded)
        differing.extend(version for version, _, body in entries if recorded.get(version, body) != body)
        after = wanted[-1]
    return compared, differing
