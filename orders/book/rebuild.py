"""PostgreSQL back into Redis, for accounts that the ledger lost or knows less of than the record.

Each goes on at its recorded version + 1,000,000, so that a version that may have been given out and
lost is never used twice; the jump is journalled. Commands answered in the last 7 days are restored
with it, so that repeating one still does nothing.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from accounts import catalogue as catalogues
from accounts.models import Halt as HaltRecord
from accounts.models import rows_of
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef
from orders.book import codec, guard, keys, terms
from orders.book.account import COMMAND_LIFE_S, Cause, Changes, commit
from orders.book.connection import Call, Ledger, unguarded_ledger
from orders.book.record import config_of, live_orders, portfolio_of, under_way
from orders.book.streams import mark_call, read_journal, versions_and_marks
from orders.book.triggers import hint_calls
from orders.models import JournalEntry
from orders.rules.halts import Halt

JUMP = 1_000_000


@dataclass(frozen=True, slots=True)
class Rebuilt:
    account: AccountRef
    version: int
    orders: int


def rebuild(accounts: list[AccountRef] | None = None, *, book: Ledger | None = None) -> Iterator[Rebuilt]:
    """Every account (or those named) that is absent from the ledger or behind the record; others are left alone."""
    book = book or unguarded_ledger()
    catalogue = catalogues.load(terms.epoch(book))
    identity = guard.ledger_id(book)
    _restore_halts(book)
    entered = [pair for pair in guard.entered_accounts() if accounts is None or pair[0] in accounts]
    for batch in guard.batches(entered):
        recorded = dict(batch)
        for account, version, _ in versions_and_marks(book, recorded):
            if version == 0 or version < recorded[account]:
                yield _rebuild(book, account, catalogue, identity)


def _rebuild(book: Ledger, account: AccountRef, catalogue: Catalogue, identity: str) -> Rebuilt:
    row = rows_of(account.kind).get(pk=account.id)
    orders = live_orders(account)
    before = portfolio_of(row, orders, catalogue, identity)
    config = config_of(row)
    after = replace(before, version=before.version + JUMP)
    changes = Changes(after, born=tuple(orders), config=config, departed=under_way(account))
    _wipe(book, account, row.recorded_version)
    result = commit(before, account, changes, Cause("rebuilt", "", "", "system:rebuild_book"), book=book)
    if result.outcome != "DONE":
        raise InvariantBroken(f"{account} could not be rebuilt: {result.outcome}; is something trading on this ledger?")
    calls = [*_stored_commands(account), *hint_calls(account, orders, config.group)]
    book.run(calls)
    book.run([mark_call(account, "record", before.version), mark_call(account, "index", after.version)])
    return Rebuilt(account, after.version, len(orders))


def _wipe(book: Ledger, account: AccountRef, recorded: int) -> None:
    """The portfolio first: without it nothing else of the account counts."""
    book.run([(keys.portfolio(account), ("DEL", keys.portfolio(account)))])
    index = keys.orders_index(account)
    listed = set(book.run([(index, ("SMEMBERS", index))])[0])
    listed |= {order.order_id for order in live_orders(account)}
    gone = [keys.holding(account, order_id) for order_id in sorted(listed)]
    gone.extend(keys.command(account, command_id) for command_id in _undone(book, account, recorded))
    gone.extend(
        family(account)
        for family in (keys.config, keys.orders_index, keys.requests, keys.transfers, keys.journal, keys.marks)
    )
    book.run([(key, ("DEL", key)) for key in gone])


def _undone(book: Ledger, account: AccountRef, recorded: int) -> Iterator[str]:
    """Commands whose commits are in a journal that survived, and not in the record: their answers are not true now."""
    while entries := read_journal(book, account, recorded):
        for _, _, body in entries:
            with suppress(ValueError, AttributeError):  # an entry that became unreadable: its command is not known
                yield str(codec.from_json(body).get("command_id", ""))
        recorded = entries[-1][0]


def _stored_commands(account: AccountRef) -> list[Call]:
    since = clock.now() - timedelta(seconds=COMMAND_LIFE_S)
    calls: list[Call] = []
    for entry in JournalEntry.objects.filter(account=str(account), at__gte=since).exclude(command_id=""):
        body = codec.from_json(entry.body)
        if "answer" in body:
            key = keys.command(account, entry.command_id)
            left = COMMAND_LIFE_S - int((clock.now() - entry.at).total_seconds())
            calls.append((key, ("SET", key, body["body_hash"] + codec.to_json(body["answer"]), "EX", max(left, 1))))
    return calls


def _restore_halts(book: Ledger) -> None:
    calls: list[Call] = []
    for row in HaltRecord.objects.filter(lifted_at=None):
        until = 0 if row.until is None else clock.to_ms(row.until)
        halt = Halt(row.scope, row.opens_only, row.reason, until)
        calls.append((keys.HALTS, ("HSETNX", keys.HALTS, halt.scope, codec.encode_halt(halt))))
    book.run(calls)
