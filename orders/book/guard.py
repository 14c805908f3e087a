"""When the ledger may be trusted: its settings, its run ids, and how an account enters the book.

Absence of data proves nothing. An account enters the book once: PostgreSQL notes the entry first, so
an account that is noted and absent was lost, and is never begun anew.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from accounts.models import TradingAccount, rows_of
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import KINDS, AccountRef, digest
from orders.book import announce, keys
from orders.book.account import Cause, Changes, NotInBook, commit, load
from orders.book.connection import Ledger, incarnation, ledger, market, unguarded_ledger
from orders.book.record import config_of
from orders.book.streams import versions_and_marks
from orders.rules.facts import Portfolio

PIPELINE = 500
_ENTRY_PATIENCE_S = 1.0
_DURABLE = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """An account whose version in the ledger is below what PostgreSQL has recorded."""

    account: AccountRef
    version: int
    recorded: int


def ledger_id(book: Ledger) -> str:
    """The name this ledger was given when it was empty; a wiped ledger gets another."""
    made = digest("ledger", str(clock.now_ms()), str(time.perf_counter_ns()), length=13)
    key = keys.LEDGER_ID
    return str(book.run([(key, ("SET", key, made, "NX")), (key, ("GET", key))])[1])


def enter(account: AccountRef) -> bool:
    """Brings an account into the book from its own table. False when there is no such account.

    Raises LedgerUnavailable for one that was in the book before: only `rebuild_book` brings it back.
    """
    book = ledger()
    identity = ledger_id(book)
    try:
        noted, row = _note_entry(account, identity)
    except DatabaseError as error:
        raise LedgerUnavailable(f"account {account} can't enter the book: PostgreSQL can't be reached") from error
    if row is None:
        return False
    if not noted:
        return _wait_for_entry(account)
    config = config_of(row)
    changes = Changes(Portfolio(version=1, ledger_id=identity), config=config)
    try:
        commit(Portfolio(version=0, ledger_id=identity), account, changes, Cause("entered", "", "", "system:book"))
    except OutcomeUnknown:
        return _wait_for_entry(account)  # in the book it is in force, announced or not
    announce.after(account, changes, config.group)
    return True


def check_settings(book: Ledger) -> list[str]:
    """What keeps this ledger from being durable, in words; nothing when told ALLOW_VOLATILE_LEDGER=1."""
    if settings.ALLOW_VOLATILE_LEDGER:
        return []
    faults: list[str] = []
    for node in book.nodes():
        for name, wanted in _DURABLE.items():
            found = node.config_get(name).get(name)
            if found != wanted:
                advice = f"set it to {wanted!r}, or allow ALLOW_VOLATILE_LEDGER=1"
                faults.append(f"the ledger's {name} is {found!r}; {advice}")
    return faults


def uncleared(book: Ledger | None = None, client: redis.Redis | None = None) -> list[str]:
    """Ledger nodes that nobody has compared with the record since they started or were promoted.

    `client` is of the market instance, which remembers which were.
    """
    book, client = book or unguarded_ledger(), client or market()
    met = [incarnation(node.info()) for node in book.nodes()]
    return [each for each in met if not client.sismember(keys.LEDGER_CLEARED, each)]


def clear() -> list[str]:
    """Opens restarted ledger nodes for trading, if nothing is wrong with them. Gives what is wrong, in words."""
    book = unguarded_ledger()
    try:
        waiting = uncleared(book)
        if not waiting:
            return []
        faults = check_settings(book)
        faults.extend(
            f"{loss.account} is at version {loss.version}, recorded is {loss.recorded}: run audit, then rebuild_book"
            for loss in losses(book)
        )
        if not faults:
            market().sadd(keys.LEDGER_CLEARED, *waiting)
    except (redis.exceptions.RedisError, DatabaseError, LedgerUnavailable) as error:
        return [f"the ledger can't be checked now: {error}"]
    return faults


def losses(book: Ledger) -> list[Loss]:
    """Accounts that the ledger knows less of than the record does."""
    found: list[Loss] = []
    for batch in batches(entered_accounts()):
        recorded = dict(batch)
        for account, version, _ in versions_and_marks(book, recorded):
            if version < recorded[account]:
                found.append(Loss(account, version, recorded[account]))
    return found


def entered_accounts() -> list[tuple[AccountRef, int]]:
    """Every account that is noted in the book, with its recorded version; in order."""
    listed: list[tuple[AccountRef, int]] = []
    for kind in KINDS:
        rows = rows_of(kind).exclude(book_ledger_id="").order_by("pk").values_list("pk", "recorded_version")
        listed.extend((AccountRef(kind, pk), recorded) for pk, recorded in rows)
    return listed


def batches(listed: list[tuple[AccountRef, int]]) -> Iterator[list[tuple[AccountRef, int]]]:
    walk = iter(listed)
    while batch := list(islice(walk, PIPELINE)):
        yield batch


def _note_entry(account: AccountRef, identity: str) -> tuple[bool, TradingAccount | None]:
    """(whether this call noted it, the row or None)."""
    connection.close_if_unusable_or_obsolete()
    rows = rows_of(account.kind)
    noted = rows.filter(pk=account.id, book_ledger_id="").update(book_ledger_id=identity, book_entered_at=clock.now())
    return bool(noted), rows.filter(pk=account.id).first()


def _wait_for_entry(account: AccountRef) -> bool:
    """Another process may be between its note and its commit; after a moment the account counts as lost."""
    patience = clock.monotonic() + _ENTRY_PATIENCE_S
    while clock.monotonic() < patience:
        try:
            load(account)
        except NotInBook:
            time.sleep(0.02)
        else:
            return True
    raise LedgerUnavailable(f"account {account} was in the book and is missing: run rebuild_book --account {account}")
