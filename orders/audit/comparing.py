"""One account's two sides, compared; and the hints of many accounts, looked up together."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from decimal import Decimal

from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.decimals import text
from copytrading.kernel.ids import AccountRef
from orders.audit.difference import Difference, Outcome
from orders.audit.reading import Found, Recorded
from orders.book import keys
from orders.book.connection import Call, Ledger
from orders.book.triggers import Level, levels_of, never_to_fire
from orders.recorder import parse
from orders.rules import margin
from orders.rules.lifecycle import TERMINAL

#: A transfer that left longer ago than this is a difference: the sweeper should have finished it.
UNDER_WAY_MS = 60_000
#: A commit of this very moment may have no hints yet; one that is still without them after this is a difference.
INDEX_LAG_S = 5


def against_record(account: AccountRef, recorded: Recorded, found: Found, catalogue: Catalogue) -> Iterator[Difference]:
    """The record carried forward by the unrecorded entries must give exactly what the ledger holds."""
    where, version = str(account), recorded.version
    portfolio, config, orders = recorded.portfolio(catalogue), recorded.config, dict(recorded.orders)
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


def inside_ledger(account: AccountRef, found: Found, catalogue: Catalogue) -> Iterator[Difference]:
    """Exposure and margin must be what the live orders say; the index must list exactly them."""
    where, portfolio = str(account), found.portfolio
    for order_id in sorted(found.listed - found.orders.keys()):
        yield Difference("holding_missing", order_id, "listed in the index, but there is no holding")
    for order in found.orders.values():
        if order.status in TERMINAL:
            yield Difference("terminal_listed", order.order_id, f"{order.status}, but still among the live orders")
        if order.version > portfolio.version:
            yield Difference("order_ahead", order.order_id, f"changed at {order.version}, beyond {portfolio.version}")
    exposures = margin.exposures_of(found.orders.values(), catalogue.currency_digits[found.config.currency])
    if exposures != portfolio.exposures:
        detail = f"orders say {_show(exposures)}, the portfolio {_show(portfolio.exposures)}"
        yield Difference("exposure", where, detail)
    else:
        yield from _margin(where, found, catalogue)
    for consumer, mark in found.marks.items():
        if int(mark) > portfolio.version:
            detail = f"{consumer} is marked at {mark}, the account is at {portfolio.version}"
            yield Difference("mark_ahead", where, detail)


def under_way(book: Ledger, account: AccountRef, recorded: Recorded, found: Found) -> Iterator[Difference]:
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


def inside_record(account: AccountRef, recorded: Recorded) -> Iterator[Difference]:
    """Money is what the transfers say, and the journal has no hole."""
    where, row = str(account), recorded.row
    money = (("balance", row.balance, recorded.moved), ("credit", row.credit, recorded.moved_credit))
    for name, mirrored, total in money:
        if mirrored != total:
            yield Difference(f"money_{name}", where, f"transfers sum to {text(total)}, recorded is {text(mirrored)}")
    if recorded.broken:
        yield Difference("record_gap", where, f"entries {recorded.broken} do not follow the entry before them")
    if recorded.version and not recorded.journalled:
        yield Difference("record_gap", where, f"recorded at {recorded.version} without a single journal entry")


def hints(book: Ledger, accounts: Mapping[AccountRef, Found]) -> dict[AccountRef, list[Difference]]:
    """Every level and every holding must be where its monitor looks, once the index mark has reached the version."""
    told: dict[AccountRef, list[Difference]] = {account: [] for account in accounts} | _index_lags(book, accounts)
    levels = [(account, level) for account, found in accounts.items() for level in _levels(found)]
    held = [(account, symbol) for account, found in accounts.items() for symbol in sorted(found.portfolio.exposures)]
    calls: list[Call] = [(level.key, ("ZSCORE", level.key, level.member)) for _, level in levels]
    for account, symbol in held:
        key = keys.symbol_holders(symbol, account.kind)
        calls.append((key, ("SISMEMBER", key, str(account))))
    answers = book.run(calls)
    lacking = [
        pair
        for pair, score in zip(levels, answers, strict=False)
        if score is None or Decimal(repr(float(score))) != pair[1].price
    ]
    fired = set(never_to_fire(book, [level for _, level in lacking]))  # or set anew, since the account was read
    for account, level in lacking:
        if level not in fired or level.account != str(account):
            detail = f"{level.key} lacks {level.member} at {text(level.price)}"
            told[account].append(Difference("hint_missing", level.order_id, detail))
    for (account, symbol), is_member in zip(held, answers[len(levels) :], strict=True):
        if not is_member:
            detail = f"holds {symbol}, but is not among its holders"
            told[account].append(Difference("holder_missing", str(account), detail))
    return told


def _levels(found: Found) -> Iterable[Level]:
    return (level for order in found.orders.values() for level in levels_of(order, found.config.group))


def _index_lags(book: Ledger, accounts: Mapping[AccountRef, Found]) -> dict[AccountRef, list[Difference]]:
    late = {account: found for account, found in accounts.items() if _mark(found.marks.get("index")) < _version(found)}
    until = clock.monotonic() + INDEX_LAG_S
    while late and clock.monotonic() < until:
        marks = book.run([(keys.marks(account), ("HGET", keys.marks(account), "index")) for account in late])
        late = {each: late[each] for each, mark in zip(late, marks, strict=True) if _mark(mark) < _version(late[each])}
        if late:
            time.sleep(0.1)
    return {account: [_late(account, found)] for account, found in late.items()}


def _late(account: AccountRef, found: Found) -> Difference:
    detail = f"version {_version(found)} was not indexed within {INDEX_LAG_S} s; does the sweeper run?"
    return Difference("index_lag", str(account), detail)


def _mark(written: str | None) -> int:
    return int(written or 0)


def _version(found: Found) -> int:
    return found.portfolio.version


def _margin(where: str, found: Found, catalogue: Catalogue) -> Iterator[Difference]:
    """What the exposure uses. After the group's hedging mode was changed this holds from the next commit on."""
    group, digits = catalogue.groups[found.config.group], catalogue.currency_digits[found.config.currency]
    offered = {symbol: catalogue.terms[group.name, symbol] for symbol in found.portfolio.exposures}
    used = margin.used_margin(found.portfolio.exposures, group.hedging_mode, offered, digits)
    if used != found.portfolio.used_margin:
        detail = f"the exposure uses {text(used)}, the portfolio says {text(found.portfolio.used_margin)}"
        yield Difference("used_margin", where, detail)


def _fields(what: str, where: str, expected: object, found: object, skipped: tuple[str, ...]) -> Iterator[Difference]:
    for field in fields(expected):  # type: ignore[arg-type]
        wanted, got = getattr(expected, field.name), getattr(found, field.name)
        if field.name not in skipped and wanted != got:
            yield Difference(f"{what}_{field.name}", where, f"expected {_show(wanted)}, the ledger has {_show(got)}")


def _show(value: object) -> str:
    return text(value) if isinstance(value, Decimal) else repr(value)
