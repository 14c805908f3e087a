"""PostgreSQL back into Redis, for accounts that the ledger lost or knows less of than the record.

Each goes on at its recorded version + 1,000,000, so that a version that may have been given out and
lost is never used twice; the jump is journalled. Commands answered in the last 7 days are restored
with it, so that repeating one still does nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from accounts import catalogue as catalogues
from accounts.models import Halt as HaltRecord
from accounts.models import TradingAccount, rows_of
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import KINDS, AccountRef
from orders.book import codec, guard, keys, terms
from orders.book.account import COMMAND_LIFE_S, Cause, Changes, commit_call
from orders.book.connection import Call, Ledger, unguarded_ledger
from orders.book.record import config_of, live_orders_of, portfolio_of, under_way_of
from orders.book.streams import mark_call, read_journal, versions_and_marks
from orders.book.triggers import hint_calls
from orders.models import JournalEntry
from orders.rules.facts import Order
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
        versions = versions_and_marks(book, recorded)
        lost = [account for account, version, _ in versions if version == 0 or version < recorded[account]]
        yield from _rebuild(book, lost, catalogue, identity)


def _rebuild(book: Ledger, accounts: list[AccountRef], catalogue: Catalogue, identity: str) -> list[Rebuilt]:
    """All of these in a few round trips; one that a crash left wiped is absent, and rebuilt by the next run."""
    rows = {account: row for kind in KINDS for account, row in _rows(kind, accounts)}
    orders, leaving = live_orders_of(accounts), under_way_of(accounts)
    befores = {each: portfolio_of(rows[each], orders[each], catalogue, identity) for each in accounts}
    configs = {each: config_of(rows[each]) for each in accounts}
    _wipe(book, {account: rows[account].recorded_version for account in accounts}, orders)
    done: list[Rebuilt] = []
    calls: list[Call] = []
    for account in accounts:
        before = befores[account]
        after = replace(before, version=before.version + JUMP)
        changes = Changes(after, born=tuple(orders[account]), config=configs[account], departed=leaving[account])
        calls.append(commit_call(before, account, changes, Cause("rebuilt", "", "", "system:rebuild_book")))
        done.append(Rebuilt(account, after.version, len(orders[account])))
    for account, (outcome, *_) in zip(accounts, book.run(calls), strict=True):
        if outcome != "DONE":
            raise InvariantBroken(f"{account} could not be rebuilt: {outcome}; is something trading on this ledger?")
    hints = [call for each in accounts for call in hint_calls(each, orders[each], configs[each].group)]
    book.run([*_stored_commands(accounts), *hints])
    book.run([mark_call(each, "record", befores[each].version) for each in accounts])
    book.run([mark_call(each.account, "index", each.version) for each in done])
    return done


def _rows(kind: str, accounts: Iterable[AccountRef]) -> list[tuple[AccountRef, TradingAccount]]:
    ids = [account.id for account in accounts if account.kind == kind]
    return [(AccountRef(kind, row.pk), row) for row in rows_of(kind).filter(pk__in=ids)]


def _wipe(book: Ledger, recorded: dict[AccountRef, int], orders: dict[AccountRef, list[Order]]) -> None:
    """The portfolios first: without it nothing else of an account counts."""
    book.run([(keys.portfolio(account), ("DEL", keys.portfolio(account))) for account in recorded])
    indexes = [keys.orders_index(account) for account in recorded]
    listed = book.run([(index, ("SMEMBERS", index)) for index in indexes])
    gone: list[str] = []
    for (account, version), known in zip(recorded.items(), listed, strict=True):
        ids = {*known, *(order.order_id for order in orders[account])}
        gone.extend(keys.holding(account, order_id) for order_id in sorted(ids))
        gone.extend(keys.command(account, command_id) for command_id in _undone(book, account, version))
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


def _stored_commands(accounts: Iterable[AccountRef]) -> list[Call]:
    since = clock.now() - timedelta(seconds=COMMAND_LIFE_S)
    calls: list[Call] = []
    told = JournalEntry.objects.filter(account__in=list(map(str, accounts)), at__gte=since).exclude(command_id="")
    for entry in told.iterator():
        body = codec.from_json(entry.body)
        if "answer" in body:
            key = keys.command(AccountRef.parse(entry.account), entry.command_id)
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
