"""Hints that tell monitors where to look: levels by symbol, group and side; holders by symbol.

Writers here only add. Only a monitor removes, after it has loaded the account and found the hint
stale. Whoever acts on a hint loads first, so a stale one costs a look and never a wrong deal.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from copytrading.kernel.decimals import text
from copytrading.kernel.ids import AccountRef
from orders.book import codec, keys
from orders.book.connection import Call, Ledger, ledger
from orders.book.streams import holder_news, mark_call, read_journal
from orders.messages import LevelKind
from orders.rules.facts import Order
from orders.rules.lifecycle import TERMINAL

Family = Literal["pending", "sl", "tp"]
_SETTING: dict[Family, str] = {"pending": "price_version", "sl": "stop_version", "tp": "take_version"}
KIND_OF: dict[Family, LevelKind] = {"pending": "price", "sl": "stop_loss", "tp": "take_profit"}


#: What an index of levels is of: family, symbol, group, and side or type of order.
Named = tuple[Family, str, str, str]


class Level(NamedTuple):
    """One price that fires something: its client price, and the setting (`version`) of the order it belongs to.

    A tuple, since a monitor makes and compares a million of them; they sort by price first.
    """

    price: Decimal
    family: Family
    symbol: str
    group: str
    side: str
    account: str
    order_id: str
    version: int

    @property
    def member(self) -> str:
        return f"{self.account}|{self.order_id}|{self.version}"

    @property
    def key(self) -> str:
        return keys.level_index(self.family, self.symbol, self.group, self.side)


def levels_of(order: Order, group: str) -> list[Level]:
    """Every level that the local monitor has to watch for this order as it stands."""
    if order.flow != "local":
        return []
    named = (order.account, order.order_id)
    if order.status == "PENDING" and order.order_price is not None:
        return [Level(order.order_price, "pending", order.symbol, group, order.order_type, *named, order.price_version)]
    if order.status != "OPEN":
        return []
    levels: list[Level] = []
    if order.stop_loss is not None:
        levels.append(Level(order.stop_loss, "sl", order.symbol, group, order.side, *named, order.stop_version))
    if order.take_profit is not None:
        levels.append(Level(order.take_profit, "tp", order.symbol, group, order.side, *named, order.take_version))
    return levels


def levels_from_rows(named: Named, rows: Iterable[tuple[str, float]]) -> list[Level]:
    """Levels as the index keeps them, in its order; unreadable members are left out. `repr` gives a score exactly."""
    levels: list[Level] = []
    before, price = None, Decimal(0)
    for member, score in rows:
        parts = member.split("|")
        if len(parts) != 3 or not parts[2].isdigit():
            continue
        if score != before:  # levels of one price are neighbours
            before, price = score, Decimal(repr(score))
        levels.append(Level(price, *named, parts[0], parts[1], int(parts[2])))
    return levels


def hint_calls(account: AccountRef, orders: Iterable[Order], group: str) -> list[Call]:
    """Adds the hints of these orders, and tells running monitors of each level."""
    calls: list[Call] = []
    for order in orders:
        if order.status == "OPEN":
            holders = keys.symbol_holders(order.symbol, account.kind)
            calls.append((holders, ("SADD", holders, str(account))))
        if order.status == "PENDING" and order.expires_at_ms:
            key = keys.expiry_index(order.symbol)
            calls.append((key, ("ZADD", key, order.expires_at_ms, f"{account}|{order.order_id}|{order.price_version}")))
        for level in levels_of(order, group):
            calls.append((level.key, ("ZADD", level.key, text(level.price), level.member)))
            calls.append((keys.QUEUE_LEVELS, ("XADD", keys.QUEUE_LEVELS, "*", *news_of(level))))
    return calls


def never_to_fire(book: Ledger, levels: Sequence[Level]) -> list[Level]:
    """Those whose order has ended or left the book, or has set that level anew: their hints may go."""
    calls: list[Call] = []
    for level in levels:
        key = keys.holding(AccountRef.parse(level.account), level.order_id)
        calls.append((key, ("HMGET", key, "status", _SETTING[level.family])))
    return [
        level
        for level, (status, setting) in zip(levels, book.run(calls), strict=True)
        if status is None or status in TERMINAL or setting != str(level.version)
    ]


def drop_call(level: Level) -> Call:
    """Takes a hint away: for monitors alone, after a look at the order."""
    return level.key, ("ZREM", level.key, level.member)


def news_of(level: Level) -> list[str]:
    return [
        "family", level.family, "symbol", level.symbol, "group", level.group, "side", level.side,
        "member", level.member, "price", text(level.price),
    ]  # fmt: skip


def index_account(account: AccountRef, *, book: Ledger | None = None) -> int:
    """Adds the hints of every journal entry after the `index` mark and moves it. Gives the mark."""
    book = book or ledger()
    marks = keys.marks(account)
    after = int(book.run([(marks, ("HGET", marks, "index"))])[0] or 0)
    while entries := read_journal(book, account, after):
        group = book.run([(keys.config(account), ("HGET", keys.config(account), "group"))])[0]
        calls: list[Call] = []
        for _, _, body in entries:
            entry = codec.from_json(body)
            orders = [codec.decode(Order, written) for written in entry["orders"]]
            if "config" in entry:
                orders.extend(_live_orders(book, account))
            calls.extend(hint_calls(account, orders, group))
        last = entries[-1][0]
        book.run([*calls, holder_news(account)])
        book.run([mark_call(account, "index", last)])
        after = last
    return after


def _live_orders(book: Ledger, account: AccountRef) -> list[Order]:
    """All live orders: a changed group moves every level to another index."""
    index = keys.orders_index(account)
    ids = book.run([(index, ("SMEMBERS", index))])[0]
    found = book.run([(keys.holding(account, i), ("HGETALL", keys.holding(account, i))) for i in sorted(ids)])
    return [codec.decode(Order, written) for written in found if written]
