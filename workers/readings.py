"""What the board shows, read afresh: the record, the ledger and the market, each of which may be away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from django.db import DatabaseError, close_old_connections
from django.db.models import Count, Q

from accounts.models import ACCOUNT_MODELS, Instrument
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from orders.book import keys, quotes
from orders.book.connection import Call, ReplyLost, market, unguarded_ledger
from orders.models import Deal, Order

WINDOW_S = 10
MOST_ACCOUNTS = 8
MOST_DEALS = 8
QUEUES = ("record",)


@dataclass(frozen=True, slots=True)
class AccountReading:
    """`equity` and `level` are the margin monitor's last, "" when it has none."""

    account: AccountRef
    balance: str
    open_orders: int
    equity: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class QueueReading:
    """`oldest_s` is how long the first entry has been waiting."""

    name: str
    waiting: int
    oldest_s: float
    dead: int


@dataclass(frozen=True, slots=True)
class QuoteReading:
    symbol: str
    bid: str
    ask: str
    age_s: float


@dataclass(frozen=True, slots=True)
class WorkerReading:
    name: str
    silent_s: float
    lag: str


@dataclass(slots=True)
class Readings:
    """`away` says in words what could not be read; its part keeps the value it has here."""

    accounts_total: int = 0
    orders_open: int = 0
    orders_resting: int = 0
    orders_per_s: float = 0.0
    deals_per_s: float = 0.0
    deals: Sequence[Deal] = ()
    accounts: Sequence[AccountReading] = ()
    queues: Sequence[QueueReading] = ()
    quotes: Sequence[QuoteReading] = ()
    workers: Sequence[WorkerReading] = ()
    away: list[str] = field(default_factory=list)


class Reader:
    """Remembers what changes seldom, and what it showed last of a part that is away."""

    def __init__(self) -> None:
        self._last = Readings()
        self._symbols: list[str] = []

    def take(self) -> Readings:
        taken = Readings(**{name: getattr(self._last, name) for name in Readings.__slots__ if name != "away"})
        parts: tuple[tuple[str, Callable[[Readings], None]], ...] = (
            ("PostgreSQL", self._read_record),
            ("the ledger", self._read_ledger),
            ("the market instance", self._read_market),
        )
        for name, read in parts:
            try:
                read(taken)
            except (DatabaseError, redis.RedisError, LedgerUnavailable, ReplyLost) as error:
                taken.away.append(f"{name} is away: {str(error).strip().splitlines()[0][:120]}")
        self._last = taken
        return taken

    def _read_record(self, taken: Readings) -> None:
        close_old_connections()
        since = clock.from_ms(clock.now_ms() - WINDOW_S * 1_000)
        counted = Order.objects.aggregate(
            open=Count("pk", filter=Q(status="OPEN")), resting=Count("pk", filter=Q(status="PENDING"))
        )
        taken.orders_open, taken.orders_resting = counted["open"], counted["resting"]
        taken.orders_per_s = Order.objects.filter(created_at__gt=since).count() / WINDOW_S
        taken.deals_per_s = Deal.objects.filter(at__gt=since).count() / WINDOW_S
        taken.deals = list(Deal.objects.all()[:MOST_DEALS])
        taken.accounts_total = sum(model.objects.count() for model in ACCOUNT_MODELS.values())
        taken.accounts = [AccountReading(account, "", 0) for account in _busiest()]
        self._symbols = list(Instrument.objects.order_by("symbol").values_list("symbol", flat=True))

    def _read_ledger(self, taken: Readings) -> None:
        book = unguarded_ledger()
        calls: list[Call] = []
        for reading in taken.accounts:
            portfolio, index = keys.portfolio(reading.account), keys.orders_index(reading.account)
            calls += [(portfolio, ("HGET", portfolio, "balance")), (index, ("SCARD", index))]
        answers = book.run(calls)
        taken.accounts = [
            AccountReading(reading.account, balance or "-", int(orders or 0))
            for reading, balance, orders in zip(taken.accounts, answers[::2], answers[1::2], strict=True)
        ]
        taken.queues = [_queue(name, book.run(_queue_calls(name))) for name in QUEUES]

    def _read_market(self, taken: Readings) -> None:
        client = market()
        pipe = client.pipeline(transaction=False)
        for reading in taken.accounts:
            pipe.hmget(keys.user_margin(reading.account), "equity", "level")
        taken.accounts = [
            AccountReading(reading.account, reading.balance, reading.open_orders, equity or "", level or "")
            for reading, (equity, level) in zip(taken.accounts, pipe.execute(), strict=True)
        ]
        prices = quotes.read(client, self._symbols)
        taken.quotes = [
            QuoteReading(symbol, str(quote.bid), str(quote.ask), (prices.now_ms - quote.stamp_ms) / 1_000)
            for symbol, quote in prices.quotes.items()
        ]
        taken.workers = _workers(client)


def _busiest() -> list[AccountRef]:
    """The accounts of the last deals, then those that were opened first."""
    last = Deal.objects.values_list("account", flat=True)[:200]
    rows = [f"{kind}:{pk}" for kind, model in ACCOUNT_MODELS.items() for pk in _first_ids(model)]
    return [AccountRef.parse(name) for name in list(dict.fromkeys([*last, *rows]))[:MOST_ACCOUNTS]]


def _first_ids(model: Any) -> list[int]:
    return list(model.objects.order_by("pk").values_list("pk", flat=True)[:2])


def _queue_calls(name: str) -> list[Call]:
    queue, dead = keys.queue(name), keys.dead_letters(name)
    return [
        (queue, ("XLEN", queue)),
        (queue, ("XRANGE", queue, "-", "+", "COUNT", 1)),
        (dead, ("XLEN", dead)),
    ]


def _queue(name: str, answers: Sequence[Any]) -> QueueReading:
    waiting, first, dead = answers
    entered_ms = int(str(first[0][0]).split("-")[0]) if first else clock.now_ms()
    return QueueReading(name, waiting, max(0, clock.now_ms() - entered_ms) / 1_000, dead)


def _workers(client: redis.Redis) -> list[WorkerReading]:
    found = []
    for key in sorted(client.scan_iter("heartbeat:*", count=1_000)):
        told = client.hgetall(key)
        silent_s = max(0, clock.now_ms() - int(told.get("at_ms", 0))) / 1_000
        found.append(WorkerReading(str(key).split(":")[1], silent_s, str(told.get("lag", ""))))
    return found


