"""How far behind whoever works off the book's news is: queues, and the recorder."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from copytrading.kernel import clock
from copytrading.kernel.ids import AccountRef
from orders.book import codec, keys
from orders.book.connection import Call, Ledger
from orders.book.work import dead_letters

#: So many of the oldest announcements are looked behind; what was announced later has waited less.
LOOKED_BEHIND = 100


@dataclass(frozen=True, slots=True)
class Queue:
    """`oldest_s` is how long the first entry has been waiting, 0 when none is."""

    name: str
    waiting: int
    oldest_s: float
    dead: int


def queue(book: Ledger, name: str) -> Queue:
    queue, dead = keys.queue(name), keys.dead_letters(name)
    calls: list[Call] = [
        (queue, ("XLEN", queue)),
        (queue, ("XRANGE", queue, "-", "+", "COUNT", 1)),
        (dead, ("XLEN", dead)),
    ]
    waiting, first, buried = book.run(calls)
    entered_ms = int(str(first[0][0]).partition("-")[0]) if first else clock.now_ms()
    return Queue(name, int(waiting), _seconds_since(entered_ms), int(buried))


def recorder_lag_s(book: Ledger) -> float:
    """The age of the oldest journal entry that is not yet recorded, 0 when all are.

    Looked for where news was announced, or lies with the dead letters; what nobody was told of the sweeper
    announces within seconds.
    """
    key = keys.QUEUE_RECORD
    told = book.run([(key, ("XRANGE", key, "-", "+", "COUNT", LOOKED_BEHIND))])[0]
    named = [fields for _, fields in told] + [letter.fields for letter in dead_letters(book, "record")]
    accounts = {account for fields in named if (account := _account_of(fields))}
    return max((_seconds_since(at_ms) for at_ms in _unrecorded_since(book, accounts)), default=0)


def _account_of(message: Mapping[str, str]) -> AccountRef | None:
    """A message may be dead for naming none."""
    with suppress(ValueError):
        return AccountRef.parse(message.get("account", ""))
    return None


def _unrecorded_since(book: Ledger, accounts: Iterable[AccountRef]) -> list[int]:
    """When the first entry beyond its mark was written, for each account that has one."""
    journals = [(keys.journal(account), keys.marks(account)) for account in accounts]
    marks = book.run([(key, ("HGET", key, "record")) for _, key in journals])
    reads: list[Call] = []
    for (key, _), mark in zip(journals, marks, strict=True):
        reads.append((key, ("XRANGE", key, f"({mark or 0}-0", "+", "COUNT", 1)))
    return [codec.from_json(fields["body"])["at_ms"] for first in book.run(reads) for _, fields in first]


def _seconds_since(at_ms: int) -> float:
    return max(0, clock.now_ms() - at_ms) / 1_000
