"""Folds journals into PostgreSQL: in version order, each entry once, however often it is asked.

Invariants: an account's recorded version moves only forward and only past entries that follow one
another; every row comes from exactly one journal entry; what an entry wrote twice is the same text.
The lock is the account's own row, taken in the order of kind and id.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import structlog
from django.db import connection, transaction

from accounts.models import rows_of, table_of
from copytrading import telemetry
from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import KINDS, AccountRef
from orders import copy_rows
from orders.book import codec, keys
from orders.book.connection import Call, Ledger, ledger
from orders.book.streams import mark_call, trim_call
from orders.models import Order as OrderRecord
from orders.rules.facts import Config, Deal, Order, Portfolio, Quote, Transfer
from orders.rules.lifecycle import TERMINAL

ENTRIES_AT_ONCE = 500
TERMINAL_LIFE_S = 3600
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry, read back into values."""

    account: AccountRef
    version: int
    predecessor: int
    body: str
    verb: str
    at_ms: int
    principal: str
    command_id: str
    note: str
    portfolio: Portfolio
    config: Config | None
    orders: tuple[Order, ...]
    deals: tuple[Deal, ...]
    transfers: tuple[Transfer, ...]

    def quotes(self) -> list[Quote]:
        """The prices that were decided on."""
        return [codec.decode(Quote, each) for each in codec.from_json(self.body)["quotes"]]


@dataclass(slots=True)
class Recorded:
    """What one pass did: accounts with their new version, and those that could not go on, with why."""

    versions: dict[AccountRef, int] = field(default_factory=dict)
    stuck: dict[AccountRef, str] = field(default_factory=dict)
    #: Accounts whose journals may have more than one pass takes.
    more: set[AccountRef] = field(default_factory=set)
    entries: int = 0


def record(accounts: Collection[AccountRef], *, book: Ledger | None = None) -> Recorded:
    """Folds in what these accounts' journals have beyond the record, at most ENTRIES_AT_ONCE an account.

    Raises django.db.Error when the database refuses or is away; then nothing was recorded.
    """
    book = book or ledger()
    done = Recorded()
    connection.close_if_unusable_or_obsolete()
    with transaction.atomic():
        recorded = _locked_versions(accounts)
        entries: list[Entry] = []
        for account, read in _read(book, recorded).items():
            entries.extend(_in_order(account, read, recorded[account], done))
            if len(read) == ENTRIES_AT_ONCE:
                done.more.add(account)
        write(entries)
        for entry in entries:
            done.versions[entry.account] = entry.version
        _mirror(entries)
        done.entries = len(entries)
    _tell(entries)
    _after(book, entries, recorded, done)
    return done


def parse(account: AccountRef, version: int, predecessor: int, body: str) -> Entry:
    """Raises InvariantBroken when the entry is not readable."""
    try:
        read = codec.from_json(body)
        return Entry(
            account=account,
            version=version,
            predecessor=predecessor,
            body=body,
            verb=read["verb"],
            at_ms=read["at_ms"],
            principal=read["by"],
            command_id=read["command_id"],
            note=read["note"],
            portfolio=codec.decode_portfolio(read["portfolio"]),
            config=codec.decode(Config, read["config"]) if "config" in read else None,
            orders=tuple(codec.decode(Order, each) for each in read["orders"]),
            deals=tuple(codec.decode(Deal, each) for each in read["deals"]),
            transfers=tuple(codec.decode(Transfer, each) for each in read["transfers"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InvariantBroken(f"journal entry {version} of {account} is unreadable: {error!r}") from error


def unrecorded(accounts: Collection[AccountRef], most: int, *, book: Ledger | None = None) -> list[Entry]:
    """The newest `most` entries in all (a share each account) that the record may lack, in order of version.

    Rows read after this call and these entries together miss nothing: what was folded in and trimmed
    meanwhile is in the rows. An entry that is not readable is left to the recorder's alarm, with all before it.
    """
    book = book or ledger()
    recorded = _versions(accounts)
    share = max(20, most // max(1, len(recorded)))
    calls: list[Call] = []
    for account, version in recorded.items():
        key = keys.journal(account)
        calls.append((key, ("XREVRANGE", key, "+", f"({version}-0", "COUNT", share)))
    found: list[Entry] = []
    for account, answer in zip(recorded, book.run(calls), strict=True):
        newest: list[Entry] = []
        for version, predecessor, body in _split(answer):
            try:
                newest.append(parse(account, version, predecessor, body))
            except InvariantBroken as error:
                _log.error("journal_entry_unreadable", account=str(account), version=version, error=str(error))
                break
        found.extend(reversed(newest))
    return found


def _versions(accounts: Collection[AccountRef]) -> dict[AccountRef, int]:
    """Recorded versions, without a lock; an account without a row is left out."""
    recorded: dict[AccountRef, int] = {}
    for kind in KINDS:
        if ids := [account.id for account in accounts if account.kind == kind]:
            for pk, version in rows_of(kind).filter(pk__in=ids).values_list("pk", "recorded_version"):
                recorded[AccountRef(kind, pk)] = version
    return recorded


def _locked_versions(accounts: Collection[AccountRef]) -> dict[AccountRef, int]:
    by_kind: dict[str, list[int]] = defaultdict(list)
    for account in set(accounts):
        by_kind[account.kind].append(account.id)
    recorded: dict[AccountRef, int] = {}
    for kind in KINDS:
        if ids := by_kind.get(kind):
            rows = rows_of(kind).select_for_update().filter(pk__in=sorted(ids)).order_by("pk")
            for pk, version in rows.values_list("pk", "recorded_version"):
                recorded[AccountRef(kind, pk)] = version
    if unknown := set(accounts) - recorded.keys():
        raise InvariantBroken(f"announced, but without a row in PostgreSQL: {', '.join(map(str, sorted(unknown)))}")
    return recorded


def _read(book: Ledger, recorded: dict[AccountRef, int]) -> dict[AccountRef, list[tuple[int, int, str]]]:
    calls: list[Call] = []
    for account, version in recorded.items():
        key = keys.journal(account)
        calls.append((key, ("XRANGE", key, f"({version}-0", "+", "COUNT", ENTRIES_AT_ONCE)))
    return {account: _split(answer) for account, answer in zip(recorded, book.run(calls), strict=True)}


def _split(answer: Sequence[tuple[str, dict[str, str]]]) -> list[tuple[int, int, str]]:
    return [(int(name.partition("-")[0]), int(values["prev"]), values["body"]) for name, values in answer]


def _in_order(account: AccountRef, read: Sequence[tuple[int, int, str]], recorded: int, done: Recorded) -> list[Entry]:
    """The entries that follow one another from the recorded version on; a wrong one parks the account."""
    entries: list[Entry] = []
    last = recorded
    for version, predecessor, body in read:
        if predecessor != last:
            done.stuck[account] = f"entry {version} follows {predecessor}, recorded is {last}: entries are missing"
            break
        try:
            entries.append(parse(account, version, predecessor, body))
        except InvariantBroken as error:
            done.stuck[account] = str(error)
            break
        last = version
    if account in done.stuck:
        _log.critical("recorder_stuck", account=str(account), why=done.stuck[account], advice="run audit")
    return entries


def write(entries: Sequence[Entry]) -> None:
    """Journal entries, deals and transfers appended; orders moved to their latest version."""
    copy_rows.insert("orders_journalentry", _JOURNAL, map(_journal_row, entries))
    copy_rows.insert("orders_deal", _DEAL, (row for entry in entries for row in _deal_rows(entry)))
    copy_rows.insert("orders_transfer", _TRANSFER, (row for entry in entries for row in _transfer_rows(entry)))
    latest = {order.order_id: order for entry in entries for order in entry.orders}
    copy_rows.upsert("orders_order", "order_id", "version", _ORDER, [_order_row(order) for order in latest.values()])


def _tell(entries: Sequence[Entry]) -> None:
    """One line an account: what is in PostgreSQL now."""
    recorded: dict[AccountRef, list[Entry]] = defaultdict(list)
    for entry in entries:
        recorded[entry.account].append(entry)
    for account, folded in recorded.items():
        telemetry.count_recorded(account.kind, len(folded))
        orders = sorted({order.order_id for entry in folded for order in entry.orders})
        about = {"order": orders[0]} if len(orders) == 1 else {"orders": orders} if orders else {}
        _log.info("recorded", account=str(account), entries=len(folded), version=folded[-1].version, **about)


def _mirror(entries: Sequence[Entry]) -> None:
    """The account rows as of each one's last entry; only upwards."""
    latest: dict[AccountRef, Entry] = {}
    configs: dict[AccountRef, Config] = {}
    for entry in entries:
        latest[entry.account] = entry
        if entry.config:
            configs[entry.account] = entry.config
    for kind in KINDS:
        rows = [_mirror_row(each, configs.get(each.account)) for each in latest.values() if each.account.kind == kind]
        copy_rows.update(table_of(kind), "recorded_version", _MIRROR, rows)


def _mirror_row(entry: Entry, config: Config | None) -> tuple[Any, ...]:
    held = entry.portfolio
    money = (entry.account.id, entry.version, held.balance, held.credit, held.margin_called)
    return (*money, *((config.group, config.leverage, config.status, config.sending_orders) if config else (None,) * 4))


def _after(book: Ledger, entries: Sequence[Entry], recorded: dict[AccountRef, int], done: Recorded) -> None:
    """Ends the life of terminal orders, then moves the marks, then trims. Each step can be repeated."""
    accounts = list(recorded)
    marks = dict(zip(accounts, book.run([_get_marks(account) for account in accounts]), strict=True))
    calls: list[Call] = []
    ended = [(e.account, order.order_id) for e in entries for order in e.orders if order.status in TERMINAL]
    ended.extend(_ended_before(book, recorded, marks))
    for account, order_id in ended:
        key = keys.holding(account, order_id)
        calls.append((key, ("EXPIRE", key, TERMINAL_LIFE_S)))
    for account in accounts:
        last = done.versions.get(account, recorded[account])
        if last > int(marks[account].get("record", "0")):
            calls.append(mark_call(account, "record", last))
            if trimming := trim_call(account, {**marks[account], "record": str(last)}):
                calls.append(trimming)
    book.run(calls)


def _ended_before(
    book: Ledger, recorded: dict[AccountRef, int], marks: dict[AccountRef, dict[str, str]]
) -> list[tuple[AccountRef, str]]:
    """Orders that ended in entries which are recorded but not marked: a recorder died between the two."""
    ended: list[tuple[AccountRef, str]] = []
    for account, version in recorded.items():
        mark = int(marks[account].get("record", "0"))
        if mark >= version:
            continue
        key = keys.journal(account)
        entries = book.run([(key, ("XRANGE", key, f"({mark}-0", f"{version}-0"))])[0]
        versions = [int(name.partition("-")[0]) for name, _ in entries]
        rows = OrderRecord.objects.filter(account=str(account), version__in=versions, status__in=sorted(TERMINAL))
        ended.extend((account, order_id) for order_id in rows.values_list("order_id", flat=True))
    return ended


def _get_marks(account: AccountRef) -> Call:
    return keys.marks(account), ("HGETALL", keys.marks(account))


def column_of(name: str) -> str:
    """The column of a field: a stamp in milliseconds is kept as a time."""
    return name.removesuffix("_ms")


def _values(told: Any, named: Sequence[tuple[str, bool]]) -> Iterator[Any]:
    """The fields of an order, deal or transfer, as columns hold them."""
    for name, is_stamp in named:
        value = getattr(told, name)
        yield value if not is_stamp else clock.from_ms(value) if value else None


def _fields_of(kind: Any) -> list[tuple[str, bool]]:
    """Names, and whether each is a stamp in milliseconds."""
    return [(field.name, field.name.endswith("_ms")) for field in fields(kind)]


_MIRROR = (
    "id", "recorded_version", "balance", "credit", "margin_called", "group_id", "leverage", "status", "sending_orders",
)  # fmt: skip
_JOURNAL = ("account", "version", "predecessor", "verb", "principal", "command_id", "body", "at")
_DEAL_FIELDS, _TRANSFER_FIELDS, _ORDER_FIELDS = _fields_of(Deal), _fields_of(Transfer), _fields_of(Order)
_DEAL = ("account", "version", "line", *(column_of(name) for name, _ in _DEAL_FIELDS))
_TRANSFER = ("account", "version", "line", *(name for name, _ in _TRANSFER_FIELDS), "at")
_ORDER = tuple(column_of(name) for name, _ in _ORDER_FIELDS)


def _journal_row(entry: Entry) -> tuple[Any, ...]:
    at = clock.from_ms(entry.at_ms)
    named = (str(entry.account), entry.version, entry.predecessor)
    return (*named, entry.verb, entry.principal, entry.command_id, entry.body, at)


def _deal_rows(entry: Entry) -> list[tuple[Any, ...]]:
    return [
        (str(entry.account), entry.version, line, *_values(deal, _DEAL_FIELDS)) for line, deal in enumerate(entry.deals)
    ]


def _transfer_rows(entry: Entry) -> list[tuple[Any, ...]]:
    at = clock.from_ms(entry.at_ms)
    return [
        (str(entry.account), entry.version, line, *_values(transfer, _TRANSFER_FIELDS), at)
        for line, transfer in enumerate(entry.transfers)
    ]


def _order_row(order: Order) -> tuple[Any, ...]:
    return tuple(_values(order, _ORDER_FIELDS))
