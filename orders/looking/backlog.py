"""Which accounts the record is behind, what has left one account and not arrived in another, and what is missing.

Asks the ledger alone, by the accounts and versions that somebody has read from the record before, so
that it can be told while PostgreSQL is away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from copytrading.kernel.ids import AccountRef
from orders.book import codec, guard, keys
from orders.book.connection import Call, Ledger
from orders.book.streams import versions_and_marks


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Money between two accounts."""

    transfer_id: str
    source: str
    destination: str
    amount: str
    left_at_ms: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """`behind`: accounts with journal entries that are not in the record. `lost`: accounts of which the ledger knows
    nothing, or less than the record.
    """

    accounts: int = 0
    behind: int = 0
    lost: tuple[AccountRef, ...] = ()
    under_way: tuple[UnderWay, ...] = ()


def backlog(book: Ledger, entered: Sequence[tuple[AccountRef, int]]) -> Backlog:
    """Of these accounts, each with a version that the record had before this is asked."""
    behind = 0
    lost: list[AccountRef] = []
    leaving: list[UnderWay] = []
    for batch in guard.batches(list(entered)):
        recorded = dict(batch)
        for account, version, marks in versions_and_marks(book, recorded):
            done = max(recorded[account], int(marks.get("record", "0")))
            if _is_lost(version, recorded[account]):
                lost.append(account)
            elif done < version:
                behind += 1
        leaving.extend(_under_way(book, list(recorded)))
    return Backlog(len(entered), behind, _still_lost(book, lost, dict(entered)), tuple(leaving))


def _is_lost(version: int, recorded: int) -> bool:
    return version < max(recorded, 1)


def _still_lost(book: Ledger, lost: list[AccountRef], recorded: dict[AccountRef, int]) -> tuple[AccountRef, ...]:
    """Asked once more: one that was just entering the book is there by now."""
    again = versions_and_marks(book, lost)
    return tuple(account for account, version, _ in again if _is_lost(version, recorded[account]))


def _under_way(book: Ledger, accounts: Sequence[AccountRef]) -> list[UnderWay]:
    calls: list[Call] = [(keys.transfers(account), ("HGETALL", keys.transfers(account))) for account in accounts]
    found = []
    for account, written in zip(accounts, book.run(calls), strict=True):
        for transfer_id, body in written.items():
            read = codec.from_json(body)
            amount = f"{read['amount']} {read['currency']}"
            found.append(UnderWay(transfer_id, str(account), read["destination"], amount, int(read["at_ms"])))
    return found
