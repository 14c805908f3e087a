"""Compares both sides of the book, account by account, and names each difference.

What the ledger should hold is the record plus the journal entries that were not recorded yet, so a
busy account is compared as exactly as an idle one. Nothing is changed here.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import IntEnum
from typing import Any

import redis
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet, Sum, Window
from django.db.models.functions import Lag

from accounts import catalogue as catalogues
from accounts.models import rows_of
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.decimals import ZERO, text
from copytrading.kernel.errors import InvariantBroken, LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from orders.book import codec, guard, keys, record, terms
from orders.book.connection import Call, Ledger, ReplyLost, unguarded_ledger
from orders.book.triggers import levels_of, never_to_fire
from orders.models import AuditReport, JournalEntry, Transfer
from orders.recorder import parse
from orders.rules import facts, margin
from orders.rules.lifecycle import TERMINAL
from orders.settlement import margin_in_use

CREDIT_KINDS = ("credit_in", "credit_out")
#: A transfer that left longer ago than this is a difference: the sweeper should have finished it.
UNDER_WAY_MS = 60_000
#: A commit of this very moment may have no hints yet; one that is still without them after this is a difference.
INDEX_LAG_S = 5
_SNAPSHOTS = 20
_KEPT = 1_000


class Outcome(IntEnum):
    """Exit statuses of `manage.py audit`; the gravest wins."""

    CLEAN = 0
    DRIFT = 1
    LOSS = 2
    UNCHECKED = 3


_WORDS = {
    Outcome.CLEAN: "clean: the book and the record agree",
    Outcome.DRIFT: "drift: the differences are to be explained or mended",
    Outcome.LOSS: "loss suspected: stop trading (manage.py halt platform --everything), then manage.py rebuild_book",
    Outcome.UNCHECKED: "could not check: something is down",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` names the kind of difference, `where` the account, order or index."""

    what: str
    where: str
    detail: str
    gravity: Outcome = Outcome.DRIFT


@dataclass(frozen=True, slots=True)
class Recorded:
    """One account in PostgreSQL, read in one snapshot."""

    version: int
    portfolio: facts.Portfolio
    config: facts.Config
    orders: dict[str, facts.Order]
    under_way: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Found:
    """One account in the ledger, read while its version stood still."""

    portfolio: facts.Portfolio
    config: facts.Config
    listed: frozenset[str]
    orders: dict[str, facts.Order]
    under_way: dict[str, dict[str, str]]
    unrecorded: list[tuple[int, int, str]]
    marks: dict[str, str]


def audit(accounts: Collection[AccountRef] | None = None, *, book: Ledger | None = None) -> Iterator[Difference]:
    """Every difference there is, of these accounts or of all; nothing when the book and the record agree."""
    book = book or unguarded_ledger()
    try:
        for fault in guard.check_settings(book):
            yield Difference("ledger_settings", "ledger", fault)
        catalogue = catalogues.load(terms.epoch(book))
        wanted = None if accounts is None else set(accounts)
        for account, _ in guard.entered_accounts():
            if wanted is None or account in wanted:
                yield from _account(book, account, catalogue)
        yield from _house()
    except (DatabaseError, redis.exceptions.RedisError, LedgerUnavailable, ReplyLost) as error:
        yield Difference("not_checked", "audit", str(error), Outcome.UNCHECKED)


def outcome_of(differences: Iterable[Difference]) -> Outcome:
    return max((difference.gravity for difference in differences), default=Outcome.CLEAN)


def report(differences: Sequence[Difference], accounts: int, seconds: float) -> AuditReport:
    """The report of an audit of so many accounts that has ended; not yet saved."""
    outcome = outcome_of(differences)
    leaving = 0 if outcome is Outcome.UNCHECKED else _under_way().count()
    told = f"{accounts} accounts, {leaving} transfers under way, {len(differences)} differences in {seconds:.1f} s"
    return AuditReport(
        outcome=outcome,
        accounts=accounts,
        under_way=leaving,
        differences=[[found.what, found.where, found.detail] for found in differences[:_KEPT]],
        summary=f"{told}; {_WORDS[outcome]}",
    )


def _account(book: Ledger, account: AccountRef, catalogue: Catalogue) -> Iterator[Difference]:
    try:
        yield from _compared(book, account, catalogue)
    except InvariantBroken as error:
        yield Difference("unreadable", str(account), str(error))


def _compared(book: Ledger, account: AccountRef, catalogue: Catalogue) -> Iterator[Difference]:
    where = str(account)
    with transaction.atomic():  # the row is locked, so that nothing is recorded, and trimmed, between the two
        recorded = _recorded(account, catalogue)
        found = _found(book, account, recorded.version)
    if found is None:
        yield Difference("account_missing", where, f"recorded at {recorded.version}, not in the ledger", Outcome.LOSS)
        return
    if found.portfolio.version < recorded.version:
        detail = f"the ledger is at {found.portfolio.version}, recorded is {recorded.version}"
        yield Difference("version_behind", where, detail, Outcome.LOSS)
        return
    yield from _against_record(account, recorded, found)
    yield from _inside_ledger(account, found, catalogue)
    yield from _transfers(book, account, recorded, found)
    yield from _hints(book, account, found)
    yield from _inside_record(account, recorded)


def _recorded(account: AccountRef, catalogue: Catalogue) -> Recorded:
    row = rows_of(account.kind).select_for_update(of=("self",)).get(pk=account.id)
    orders, leaving = record.live_orders(account), record.under_way(account)
    config = facts.Config(row.group_id, row.leverage, row.currency, row.status, row.sending_orders, row.owner_id)
    portfolio = record.portfolio_of(row, orders, catalogue, row.book_ledger_id)
    return Recorded(row.recorded_version, portfolio, config, {order.order_id: order for order in orders}, leaving)


def _found(book: Ledger, account: AccountRef, recorded: int) -> Found | None:
    """None when the account is not in the ledger. Retried until no commit came between the reads."""
    portfolio_key, journal = keys.portfolio(account), keys.journal(account)
    again: Call = (portfolio_key, ("HGET", portfolio_key, "version"))
    for _ in range(_SNAPSHOTS):
        portfolio, config, listed, leaving, entries, marks = book.run(
            [
                (portfolio_key, ("HGETALL", portfolio_key)),
                (keys.config(account), ("HGETALL", keys.config(account))),
                (keys.orders_index(account), ("SMEMBERS", keys.orders_index(account))),
                (keys.transfers(account), ("HGETALL", keys.transfers(account))),
                (journal, ("XRANGE", journal, f"({recorded}-0", "+")),
                (keys.marks(account), ("HGETALL", keys.marks(account))),
            ]
        )
        if not portfolio.get("version"):
            return None
        ids = sorted(listed)
        *holdings, version = book.run([*(_holding(account, order_id) for order_id in ids), again])
        if version != portfolio["version"]:
            continue
        orders = [codec.decode_order(written) for written in holdings if written]
        return Found(
            codec.decode_portfolio(portfolio),
            codec.decode_config(config),
            frozenset(listed),
            {order.order_id: order for order in orders},
            {transfer: codec.from_json(written) for transfer, written in leaving.items()},
            [(int(name.partition("-")[0]), int(values["prev"]), values["body"]) for name, values in entries],
            marks,
        )
    raise InvariantBroken(f"{account} did not stand still for {_SNAPSHOTS} reads; audit it again when it is quieter")


def _holding(account: AccountRef, order_id: str) -> Call:
    return keys.holding(account, order_id), ("HGETALL", keys.holding(account, order_id))


def _against_record(account: AccountRef, recorded: Recorded, found: Found) -> Iterator[Difference]:
    """The record carried forward by the unrecorded entries must give exactly what the ledger holds."""
    where, version = str(account), recorded.version
    portfolio, config, orders = recorded.portfolio, recorded.config, dict(recorded.orders)
    for number, predecessor, body in found.unrecorded:
        if predecessor != version:
            yield Difference("journal_gap", where, f"entry {number} follows {predecessor}, not {version}", Outcome.LOSS)
            return
        entry = parse(account, number, predecessor, body)
        version, portfolio, config = number, entry.portfolio, entry.config or config
        for order in entry.orders:
            orders[order.order_id] = order
    orders = {name: order for name, order in orders.items() if order.status not in TERMINAL}
    if version != found.portfolio.version:
        detail = f"the journal ends at {version}, the account is at {found.portfolio.version}"
        yield Difference("journal_short", where, detail, Outcome.LOSS)
        return
    yield from _fields("portfolio", where, portfolio, found.portfolio, ("version", "ledger_id"))
    yield from _fields("config", where, config, found.config, ())
    for missing in sorted(orders.keys() - found.orders.keys()):
        yield Difference("order_missing", missing, f"recorded as {orders[missing].status}, not among the live orders")
    for extra in sorted(found.orders.keys() - orders.keys()):
        yield Difference("order_unknown", extra, f"{found.orders[extra].status} in the ledger, not in the record")
    for name in sorted(orders.keys() & found.orders.keys()):
        yield from _fields("order", name, orders[name], found.orders[name], ())


def _fields(what: str, where: str, expected: object, found: object, skipped: tuple[str, ...]) -> Iterator[Difference]:
    for field in fields(expected):  # type: ignore[arg-type]
        wanted, got = getattr(expected, field.name), getattr(found, field.name)
        if field.name not in skipped and wanted != got:
            yield Difference(f"{what}_{field.name}", where, f"expected {_show(wanted)}, the ledger has {_show(got)}")


def _inside_ledger(account: AccountRef, found: Found, catalogue: Catalogue) -> Iterator[Difference]:
    """Exposure and margin must be what the live orders say; the index must list exactly them."""
    where, portfolio = str(account), found.portfolio
    for order_id in sorted(found.listed - found.orders.keys()):
        yield Difference("holding_missing", order_id, "listed in the index, but there is no holding")
    for order in found.orders.values():
        if order.status in TERMINAL:
            yield Difference("terminal_listed", order.order_id, f"{order.status}, but still among the live orders")
        if order.version > portfolio.version:
            yield Difference("order_ahead", order.order_id, f"changed at {order.version}, beyond {portfolio.version}")
    exposures = _exposures_of(found, catalogue)
    if exposures != portfolio.exposures:
        detail = f"orders say {_show(exposures)}, the portfolio {_show(portfolio.exposures)}"
        yield Difference("exposure", where, detail)
    else:
        yield from _margin(where, found, catalogue)
    for consumer, mark in found.marks.items():
        if int(mark) > portfolio.version:
            detail = f"{consumer} is marked at {mark}, the account is at {portfolio.version}"
            yield Difference("mark_ahead", where, detail)


def _transfers(book: Ledger, account: AccountRef, recorded: Recorded, found: Found) -> Iterator[Difference]:
    """What has left arrives soon; what has left and is not under way has arrived, if only in the other's ledger."""
    where = str(account)
    for transfer, leaving in found.under_way.items():
        age = clock.now_ms() - int(leaving["at_ms"])
        if age > UNDER_WAY_MS:
            yield Difference("transfer_stuck", where, f"{transfer} left {age // 1000} s ago and did not arrive")
    for transfer in sorted(recorded.under_way.keys() - found.under_way.keys()):
        leaving = recorded.under_way[transfer]
        arrival = keys.command(AccountRef.parse(leaving["destination"]), transfer)
        if not book.run([(arrival, ("EXISTS", arrival))])[0]:
            gone = f"{leaving['amount']} left for {leaving['destination']}"
            detail = f"{transfer}: {gone}, did not arrive, is not under way"
            yield Difference("transfer_lost", where, detail, Outcome.LOSS)


def _exposures_of(found: Found, catalogue: Catalogue) -> dict[str, facts.Exposure]:
    exposures: dict[str, facts.Exposure] = {}
    digits = catalogue.currency_digits[found.config.currency]
    for order in found.orders.values():
        if order.open_lots:
            leg = exposures.get(order.symbol, facts.Exposure())
            held = margin_in_use(order, digits)
            exposures[order.symbol] = leg.moved(order.side, order.open_lots, order.open_cost, held)
    return exposures


def _margin(where: str, found: Found, catalogue: Catalogue) -> Iterator[Difference]:
    """What the exposure uses. After the group's hedging mode was changed this holds from the next commit on."""
    group, digits = catalogue.groups[found.config.group], catalogue.currency_digits[found.config.currency]
    offered = {symbol: catalogue.terms[group.name, symbol] for symbol in found.portfolio.exposures}
    used = margin.used_margin(found.portfolio.exposures, group.hedging_mode, offered, digits)
    if used != found.portfolio.used_margin:
        detail = f"the exposure uses {text(used)}, the portfolio says {text(found.portfolio.used_margin)}"
        yield Difference("used_margin", where, detail)


def _hints(book: Ledger, account: AccountRef, found: Found) -> Iterator[Difference]:
    """Every level and every holding must be where its monitor looks, once the index mark has reached the version."""
    if int(found.marks.get("index", "0")) < found.portfolio.version:
        yield from _index_lag(book, account, found.portfolio.version)
    levels = [level for order in found.orders.values() for level in levels_of(order, found.config.group)]
    held = sorted(found.portfolio.exposures)
    calls: list[Call] = [(level.key, ("ZSCORE", level.key, level.member)) for level in levels]
    for symbol in held:
        key = keys.symbol_holders(symbol, account.kind)
        calls.append((key, ("SISMEMBER", key, str(account))))
    answers = book.run(calls)
    lacking = [
        level
        for level, score in zip(levels, answers, strict=False)
        if score is None or Decimal(repr(float(score))) != level.price
    ]
    fired = never_to_fire(book, lacking)  # or set anew, since the account was read
    for level in lacking:
        if level not in fired or level.account != str(account):
            yield Difference("hint_missing", level.order_id, f"{level.key} lacks {level.member} at {text(level.price)}")
    for symbol, is_member in zip(held, answers[len(levels) :], strict=True):
        if not is_member:
            yield Difference("holder_missing", str(account), f"holds {symbol}, but is not among its holders")


def _index_lag(book: Ledger, account: AccountRef, version: int) -> Iterator[Difference]:
    key = keys.marks(account)
    until = clock.monotonic() + INDEX_LAG_S
    while clock.monotonic() < until:
        if int(book.run([(key, ("HGET", key, "index"))])[0] or 0) >= version:
            return
        time.sleep(0.1)
    detail = f"version {version} was not indexed within {INDEX_LAG_S} s; does the sweeper run?"
    yield Difference("index_lag", str(account), detail)


def _inside_record(account: AccountRef, recorded: Recorded) -> Iterator[Difference]:
    """Money is what the transfers say, and the journal has no hole."""
    where = str(account)
    with transaction.atomic():
        row = rows_of(account.kind).select_for_update(of=("self",)).get(pk=account.id)
        moved = {credit: _sum_of(where, credit) for credit in (False, True)}
        entries = JournalEntry.objects.filter(account=where)
        count = entries.count()
        chained = entries.annotate(before=Window(Lag("version", default=0), order_by="version"))
        broken = list(chained.exclude(predecessor=F("before")).values_list("version", flat=True)[:5])
    for name, mirrored, total in (("balance", row.balance, moved[False]), ("credit", row.credit, moved[True])):
        if mirrored != total:
            yield Difference(f"money_{name}", where, f"transfers sum to {text(total)}, recorded is {text(mirrored)}")
    if broken:
        yield Difference("record_gap", where, f"entries {broken} do not follow the entry before them")
    if recorded.version and not count:
        yield Difference("record_gap", where, f"recorded at {recorded.version} without a single journal entry")


def _sum_of(account: str, credit: bool) -> Decimal:
    kinds = Q(kind__in=CREDIT_KINDS)
    rows = Transfer.objects.filter(kinds if credit else ~kinds)
    came = rows.filter(credit=account).aggregate(total=Sum("amount"))["total"] or ZERO
    went = rows.filter(debit=account).aggregate(total=Sum("amount"))["total"] or ZERO
    return Decimal(came - went)


def _house() -> Iterator[Difference]:
    """Money in transit is exactly what has left and not arrived: never less than nothing."""
    for row in _in_transit().filter(came__gt=F("left")):
        detail = f"{text(row['came'])} arrived, {text(row['left'])} left"
        yield Difference("transfer_unbalanced", row["transfer_id"], detail)


def _under_way() -> QuerySet[Any, Any]:
    return _in_transit().filter(left__gt=F("came"))


def _in_transit() -> QuerySet[Any, Any]:
    """Every transfer between accounts, with what has left and what came."""
    rows = Transfer.objects.filter(Q(debit__startswith="house:transit:") | Q(credit__startswith="house:transit:"))
    return (
        rows.order_by()
        .values("transfer_id")
        .annotate(
            left=Sum("amount", filter=Q(credit__startswith="house:transit:"), default=ZERO),
            came=Sum("amount", filter=Q(debit__startswith="house:transit:"), default=ZERO),
        )
    )


def _show(value: object) -> str:
    return text(value) if isinstance(value, Decimal) else repr(value)
