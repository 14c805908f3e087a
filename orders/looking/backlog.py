"""How far the record is behind the book, what has left one account and not arrived in another, and what is missing.

Asks the ledger alone, by the accounts and versions that somebody has read from the record before, so
that it can be told while PostgreSQL is away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from copytrading.kernel.ids import AccountRef
from orders.book import codec, guard, keys
from orders.book.connection import Call, Ledger
from orders.book.streams import read_journal, versions_and_marks

#: Of so many accounts that are behind, the oldest entry is looked for: more would cost the ledger more than it tells.
_LOOKED_AT = 100


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

    `oldest_ms` is when the first of the missing entries was made, 0 when there is none.
    """

    accounts: int = 0
    behind: int = 0
    oldest_ms: int = 0
    lost: tuple[AccountRef, ...] = ()
    under_way: tuple[UnderWay, ...] = ()


def backlog(book: Ledger, entered: Sequence[tuple[AccountRef, int]]) -> Backlog:
    """Of these accounts, each with a version that the record had before this is asked."""
    behind: list[tuple[AccountRef, int]] = []
    lost: list[AccountRef] = []
    leaving: list[UnderWay] = []
    for batch in guard.batches(list(entered)):
        recorded = dict(batch)
        for account, version, marks in versions_and_marks(book, recorded):
            done = max(recorded[account], int(marks.get("record", "0")))
            if _is_lost(version, recorded[account]):
                lost.append(account)
            elif done < version:
                behind.append((account, done))
        leaving.extend(_under_way(book, list(recorded)))
    waiting = (_waiting_since(book, account, done) for account, done in islice(behind, _LOOKED_AT))
    since = min((at_ms for at_ms in waiting if at_ms), default=0)
    return Backlog(len(entered), len(behind), since, _still_lost(book, lost, dict(entered)), tuple(leaving))


def _is_lost(version: int, recorded: int) -> bool:
    return version < max(recorded, 1)


def _still_lost(book: Ledger, lost: list[AccountRef], recorded: dict[AccountRef, int]) -> tuple[AccountRef, ...]:
    """Asked once more: one that was just entering the book is there by now."""
    again = versions_and_marks(book, lost)
    return tuple(account for account, version, _ in again if _is_lost(version, recorded[account]))


def _waiting_since(book: Ledger, account: AccountRef, done: int) -> int:
    """When the first entry after version `done` was made; 0 if it has been recorded meanwhile."""
    entries = read_journal(book, account, done, count=1)
    return int(codec.from_json(entries[0][2])["at_ms"]) if entries else 0


def _under_way(book: Ledger, accounts: Sequence[AccountRef]) -> list[UnderWay]:
    calls: list[Call] = [(keys.transfers(account), ("HGETALL", keys.transfers(account))) for account in accounts]
    found = []
    for account, written in zip(accounts, book.run(calls), strict=True):
        for transfer_id, body in written.items():
            read = codec.from_json(body)
            amount = f"{read['amount']} {read['currency']}"
            found.append(UnderWay(transfer_id, str(account), read["destination"], amount, int(read["at_ms"])))
    return found
