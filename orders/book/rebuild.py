"""PostgreSQL back into Redis, for accounts that the ledger lost or knows less of than the record.

Each goes on at its recorded version + 1,000,000, so that a version that may have been given out and
lost is never used twice; the jump is journalled. Commands answered in the last 7 days are restored
with it, so that repeating one still does nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from accounts import catalogue as catalogues
from accounts.models import Halt as HaltRecord
from accounts.models import TradingAccount, rows_of
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.decimals import text
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef
from orders.book import codec, guard, keys, terms
from orders.book.account import COMMAND_LIFE_S, Cause, Changes, commit
from orders.book.connection import Call, Ledger, unguarded_ledger
from orders.book.streams import mark_call, versions_and_marks
from orders.book.triggers import hint_calls
from orders.models import JournalEntry, Order, Transfer
from orders.rules import facts, margin
from orders.rules.halts import Halt
from orders.rules.lifecycle import LIVE

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


def portfolio_of(
    row: TradingAccount, orders: list[facts.Order], catalogue: Catalogue, identity: str
) -> facts.Portfolio:
    """What the record says the portfolio is: money from the mirror, exposure from the live orders."""
    digits = catalogue.currency_digits[row.currency]
    exposures: dict[str, facts.Exposure] = {}
    for order in orders:
        if order.open_lots:
            held = margin.margin_of_rest(order.margin, order.open_lots, order.filled_lots, digits)
            leg = exposures.get(order.symbol, facts.Exposure())
            exposures[order.symbol] = leg.moved(order.side, order.open_lots, order.open_cost, held)
    offered = {symbol: catalogue.terms[row.group_id, symbol] for symbol in exposures}
    mode = catalogue.groups[row.group_id].hedging_mode
    return facts.Portfolio(
        version=row.recorded_version,
        ledger_id=identity,
        balance=row.balance,
        credit=row.credit,
        used_margin=margin.used_margin(exposures, mode, offered, digits),
        margin_called=row.margin_called,
        exposures=exposures,
    )


def live_orders(account: AccountRef) -> list[facts.Order]:
    rows = Order.objects.filter(account=str(account), status__in=sorted(LIVE)).order_by("order_id")
    return [order_of_row(row) for row in rows]


def order_of_row(row: Order) -> facts.Order:
    """The book's value of a recorded order."""
    return facts.Order(**{field.name: _of_column(row, field.name) for field in fields(facts.Order)})


def under_way(account: AccountRef) -> dict[str, dict[str, str]]:
    """Transfers that the record saw leave this account and not arrive anywhere, as the ledger keeps them."""
    left = Transfer.objects.filter(debit=str(account), kind="transfer").exclude(transfer_id="")
    ids = [transfer.transfer_id for transfer in left]
    arrivals = Transfer.objects.filter(transfer_id__in=ids, debit__startswith="house:")
    came = set(arrivals.values_list("transfer_id", flat=True))
    missing = [transfer_id for transfer_id in ids if transfer_id not in came]
    found: dict[str, dict[str, str]] = {}
    for entry in JournalEntry.objects.filter(account=str(account), command_id__in=missing):
        found |= codec.from_json(entry.body)["departed"]
    return found


def _rebuild(book: Ledger, account: AccountRef, catalogue: Catalogue, identity: str) -> Rebuilt:
    row = rows_of(account.kind).get(pk=account.id)
    orders = live_orders(account)
    before = portfolio_of(row, orders, catalogue, identity)
    config = facts.Config(
        group=row.group_id,
        leverage=row.leverage,
        currency=row.currency,
        status=row.status,
        sending_orders=row.sending_orders,
        owner=row.owner_id,
    )
    after = replace(before, version=before.version + JUMP)
    changes = Changes(after, born=tuple(orders), config=config, departed=under_way(account))
    _wipe(book, account)
    result = commit(before, account, changes, Cause("rebuilt", "", "", "system:rebuild_book"), book=book)
    if result.outcome != "DONE":
        raise InvariantBroken(f"{account} could not be rebuilt: {result.outcome}; is something trading on this ledger?")
    calls = [*_stored_commands(account), *hint_calls(account, orders, config.group)]
    book.run(calls)
    book.run([mark_call(account, "record", before.version), mark_call(account, "index", after.version)])
    return Rebuilt(account, after.version, len(orders))


def _wipe(book: Ledger, account: AccountRef) -> None:
    """The portfolio first: without it nothing else of the account counts."""
    book.run([(keys.portfolio(account), ("DEL", keys.portfolio(account)))])
    index = keys.orders_index(account)
    listed = set(book.run([(index, ("SMEMBERS", index))])[0])
    listed |= {order.order_id for order in live_orders(account)}
    gone = [keys.holding(account, order_id) for order_id in sorted(listed)]
    gone.extend(
        family(account)
        for family in (keys.config, keys.orders_index, keys.requests, keys.transfers, keys.journal, keys.marks)
    )
    book.run([(key, ("DEL", key)) for key in gone])


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
        until = 0 if row.until is None else _stamp(row.until)
        halt = Halt(row.scope, row.opens_only, row.reason, until)
        calls.append((keys.HALTS, ("HSETNX", keys.HALTS, halt.scope, codec.encode_halt(halt))))
    book.run(calls)


def _of_column(row: Order, name: str) -> Any:
    value = getattr(row, name.removesuffix("_ms"))
    if name.endswith("_ms"):
        return 0 if value is None else _stamp(value)
    return Decimal(text(value)) if isinstance(value, Decimal) else value


def _stamp(moment: Any) -> int:
    return int((moment - clock.from_ms(0)) / timedelta(milliseconds=1))

