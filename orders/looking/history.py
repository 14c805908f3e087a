"""What was: the record, with the tail of the journals that the recorder has not folded in yet.

So what was acknowledged a moment ago is there, whether the recorder is quick, slow or down. The tail
is read before the rows: what is folded in between is in both, and counted once.

Pages go back in time. A place is where a page ended: the sort key of its last row.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from django.db.models import Q, QuerySet
from django.db.models.functions import Collate

from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from orders import models, recorder
from orders.book import keys
from orders.book.connection import ReplyLost, ledger
from orders.book.record import order_of_row, value_of_column
from orders.looking.account import orders_alive
from orders.recorder import Entry
from orders.rules.facts import Deal, Order, Transfer
from orders.rules.lifecycle import LIVE

#: Entries of the tail that are read at most, over all accounts asked for.
TAIL = 2_000
ANNOUNCED = 1_000

#: None is every account there is.
Accounts = Sequence[AccountRef] | None
T = TypeVar("T")
L = TypeVar("L", Deal, Transfer)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`more` says whether there are rows beyond these."""

    rows: list[T]
    more: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; what is empty asks for nothing. Times are milliseconds, `until_ms` exclusive."""

    symbol: str = ""
    order_id: str = ""
    statuses: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    since_ms: int = 0
    until_ms: int = 0

    def in_time(self, stamp_ms: int) -> bool:
        return self.since_ms <= stamp_ms and (not self.until_ms or stamp_ms < self.until_ms)

    def times(self, column: str) -> Q:
        found = Q()
        if self.since_ms:
            found &= Q((f"{column}__gte", clock.from_ms(self.since_ms)))
        if self.until_ms:
            found &= Q((f"{column}__lt", clock.from_ms(self.until_ms)))
        return found


@dataclass(frozen=True, slots=True)
class Line(Generic[L]):
    """One deal or transfer of an account: `told` by the journal entry `version`, as its `line`."""

    account: AccountRef
    version: int
    line: int
    at_ms: int
    told: L

    @property
    def place(self) -> tuple[int, str, int, int]:
        return (self.at_ms, str(self.account), self.version, self.line)


Place = tuple[int, str, int, int]


def orders(accounts: Accounts, wanted: Wanted, before: tuple[int, str] | None, limit: int) -> Page[Order]:
    """Newest first, by the time they were created. Raises LedgerUnavailable, and django.db.Error without PostgreSQL.

    Live orders of named accounts are in the book, so asking for those alone needs no PostgreSQL.
    """
    if accounts is not None and wanted.statuses and wanted.statuses <= LIVE:
        alive = [order for account in accounts for order in orders_alive(account)]
        return _page([order for order in alive if _is_wanted(order, wanted)], place_of_order, before, limit)
    latest = {order.order_id: order for entry in _tail(accounts) for order in entry.orders}
    rows = _of_accounts(models.Order.objects.all(), accounts).filter(wanted.times("created_at"))
    if wanted.symbol:
        rows = rows.filter(symbol=wanted.symbol)
    if wanted.statuses:
        rows = rows.filter(status__in=sorted(wanted.statuses))
    rows = rows.annotate(named=_as_python("order_id"))
    if before:
        moment = clock.from_ms(before[0])
        rows = rows.filter(created_at__lte=moment).exclude(created_at=moment, named__gte=before[1])
    taken = rows.order_by("-created_at", "-named")[: limit + 1 + len(latest)]
    recorded = [order_of_row(row) for row in taken if row.order_id not in latest]
    newer = [order for order in latest.values() if _is_wanted(order, wanted)]
    return _page([*recorded, *newer], place_of_order, before, limit)


def deals(accounts: Accounts, wanted: Wanted, before: Place | None, limit: int) -> Page[Line[Deal]]:
    """Newest first."""
    rows = _of_accounts(models.Deal.objects.all(), accounts).filter(wanted.times("at"))
    for column in ("symbol", "order_id"):
        if value := getattr(wanted, column):
            rows = rows.filter((column, value))
    tail = [
        Line(entry.account, entry.version, line, deal.at_ms, deal)
        for entry in _tail(accounts)
        for line, deal in enumerate(entry.deals)
        if wanted.in_time(deal.at_ms) and wanted.symbol in ("", deal.symbol) and wanted.order_id in ("", deal.order_id)
    ]
    return _lines(tail, rows, Deal, before, limit)


def transfers(accounts: Accounts, wanted: Wanted, before: Place | None, limit: int) -> Page[Line[Transfer]]:
    """Newest first."""
    rows = _of_accounts(models.Transfer.objects.all(), accounts).filter(wanted.times("at"))
    if wanted.kinds:
        rows = rows.filter(kind__in=sorted(wanted.kinds))
    tail = [
        Line(entry.account, entry.version, line, entry.at_ms, transfer)
        for entry in _tail(accounts)
        for line, transfer in enumerate(entry.transfers)
        if wanted.in_time(entry.at_ms) and (not wanted.kinds or transfer.kind in wanted.kinds)
    ]
    return _lines(tail, rows, Transfer, before, limit)


def events(order: Order) -> list[Entry]:
    """The journal entries that changed this order, oldest first."""
    account = AccountRef.parse(order.account)
    told = {entry.version: entry for entry in _tail([account]) if _concerns(entry, order.order_id)}
    rows = models.JournalEntry.objects.filter(
        account=order.account,
        version__lte=order.version,
        at__gte=clock.from_ms(order.created_at_ms - _CLOCKS_APART_MS),
        body__contains=f'"{order.order_id}"',
    )
    for row in rows.order_by("version"):
        entry = recorder.parse(account, row.version, row.predecessor, row.body)
        if _concerns(entry, order.order_id):
            told.setdefault(entry.version, entry)
    return [told[version] for version in sorted(told)]


#: An entry is stamped by the host that committed, an order with its prices by the market instance.
_CLOCKS_APART_MS = 3_600_000


def _tail(accounts: Accounts) -> list[Entry]:
    try:
        return recorder.unrecorded(announced() if accounts is None else accounts, TAIL)
    except ReplyLost as error:
        raise LedgerUnavailable(f"the ledger broke off while it was read ({error}); nothing was done") from error


def announced() -> list[AccountRef]:
    """Accounts with news that the recorder has not dealt with."""
    key = keys.QUEUE_RECORD
    entries = ledger().run([(key, ("XREVRANGE", key, "+", "-", "COUNT", ANNOUNCED))])[0]
    return [AccountRef.parse(name) for name in dict.fromkeys(values["account"] for _, values in entries)]


def _of_accounts(rows: "QuerySet[Any]", accounts: Accounts) -> "QuerySet[Any]":
    return rows if accounts is None else rows.filter(account__in=list(map(str, accounts)))


def _lines(
    tail: Iterable[Line[L]], rows: "QuerySet[Any]", kind: type[L], before: Place | None, limit: int
) -> Page[Line[L]]:
    rows = rows.annotate(named=_as_python("account"))
    if before:
        rows = rows.filter(_before(*before))
    found = {line.place: line for line in tail}
    for row in rows.order_by("-at", "-named", "-version", "-line")[: limit + 1]:
        told = kind(**{field.name: value_of_column(row, field.name) for field in fields(kind)})
        made = Line(AccountRef.parse(row.account), row.version, row.line, clock.to_ms(row.at), told)
        found.setdefault(made.place, made)
    return _page(found.values(), lambda line: line.place, before, limit)


def _before(at_ms: int, account: str, version: int, line: int) -> Q:
    earlier = Q(version__lt=version) | Q(version=version, line__lt=line)
    moment = clock.from_ms(at_ms)
    return Q(at__lte=moment) & (Q(at__lt=moment) | Q(named__lt=account) | Q(named=account) & earlier)


def _as_python(column: str) -> Collate:
    """Compared as Python compares, whatever language the database sorts in: tail and rows are merged."""
    return Collate(column, "C")


def _page(found: Iterable[T], place: Callable[[T], Any], before: Any, limit: int) -> Page[T]:
    rows = sorted((row for row in found if before is None or place(row) < before), key=place, reverse=True)
    return Page(rows[:limit], len(rows) > limit)


def place_of_order(order: Order) -> tuple[int, str]:
    return (order.created_at_ms, order.order_id)


def _is_wanted(order: Order, wanted: Wanted) -> bool:
    return (
        wanted.symbol in ("", order.symbol)
        and (not wanted.statuses or order.status in wanted.statuses)
        and wanted.in_time(order.created_at_ms)
    )


def _concerns(entry: Entry, order_id: str) -> bool:
    return any(order.order_id == order_id for order in entry.orders)
