"""What the board and the operations page show, read afresh: the record, the ledger and the market.

Each of them may be away, and does not keep the others from being read. Nothing here waits long for a
server that does not answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

import redis
from django.db import close_old_connections
from django.db.models import Count, Q

from accounts import catalogue
from accounts.models import ACCOUNT_MODELS, AuditEntry
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.ids import AccountRef
from orders import readiness
from orders.book import codec, guard, keys, quotes, work
from orders.book.connection import Call, glance_ledger, glance_market
from orders.looking import lag
from orders.looking.backlog import Backlog, backlog
from orders.models import AuditReport, Deal, Order
from orders.readiness import Readiness
from orders.rules.facts import Quote
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from workers.base import default_consumer

WINDOW_S = 10
MOST_ACCOUNTS = 8
MOST_DEALS = 8
MOST_AUDITS = 5
#: What takes a look at every account is done this often, however often the rest is read, and seldomer where it
#: takes long: it may cost one part in WALK_SHARE of the time.
WALK_EVERY_S = 5.0
WALK_SHARE = 20
#: The action under which the audit log has who asked for an audit.
AUDIT = "audit"
PROCESSES_LIFE_S = 20


@dataclass(frozen=True, slots=True)
class AccountReading:
    """`equity` and `level` are the margin monitor's last, "" when it has none."""

    account: AccountRef
    balance: str
    open_orders: int
    equity: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class QuoteReading:
    """`age_s` is None when there was never a price. `tradable`: the market is open to somebody."""

    symbol: str
    bid: str
    ask: str
    age_s: float | None
    limit_s: float
    tradable: bool
    current: bool


@dataclass(frozen=True, slots=True)
class WorkerReading:
    """`told` is what its heartbeat tells beside time and state, such as its lag."""

    name: str
    consumer: str
    silent_s: float
    state: str
    told: str


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """A process under a supervisor; without `pid` it is down. `error` is the last in its log, with its time."""

    name: str
    pid: int | None
    up_s: int
    restarts: int
    memory: int
    error: str = ""


@dataclass(slots=True)
class Readings:
    """`away` says in words what of record, ledger and market could not be read; its part keeps the value it had."""

    at: datetime = field(default_factory=clock.now)
    ready: Readiness = field(default_factory=lambda: Readiness({}))
    accounts_total: int = 0
    orders_open: int = 0
    orders_resting: int = 0
    orders_per_s: float = 0.0
    deals_per_s: float = 0.0
    deals: Sequence[Deal] = ()
    accounts: Sequence[AccountReading] = ()
    audits: Sequence[AuditReport] = ()
    audit_asked_at: datetime | None = None
    queues: Sequence[lag.Queue] = ()
    recorder_lag_s: float = 0.0
    halts: Sequence[Halt] = ()
    backlog: Backlog = field(default_factory=Backlog)
    quotes: Sequence[QuoteReading] = ()
    workers: Sequence[WorkerReading] = ()
    processes: Sequence[ProcessReading] = ()
    away: dict[str, str] = field(default_factory=dict)

    @property
    def dead(self) -> int:
        return sum(queue.dead for queue in self.queues)

    @property
    def has_errors(self) -> bool:
        return any(process.error for process in self.processes)

    @property
    def missing_workers(self) -> Sequence[str]:
        """Kinds of which none runs."""
        workers = self.ready.checks.get("workers")
        return workers.facts.get("missing", ()) if workers else ()


class Reader:
    """Remembers what changes seldom, and what it showed last of a part that is away."""

    def __init__(self) -> None:
        self._last = Readings()
        self._terms: Catalogue | None = None
        self._entered: list[tuple[AccountRef, int]] = []
        self._list_at = self._walk_at = float("-inf")

    def take(self) -> Readings:
        taken = Readings(**{each.name: getattr(self._last, each.name) for each in fields(Readings)})
        taken.at, taken.ready, taken.away = clock.now(), readiness.look(), {}
        parts: tuple[tuple[str, str, Callable[[Readings], None]], ...] = (
            ("record", "PostgreSQL", self._read_record),
            ("ledger", "the ledger", self._read_ledger),
            ("market", "the market instance", self._read_market),
        )
        for part, name, read in parts:
            try:
                read(taken)
            except readiness.AWAY as error:
                taken.away[part] = f"{name} is away: {str(error).strip().splitlines()[0][:120]}"
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
        taken.audits = list(AuditReport.objects.all()[:MOST_AUDITS])
        taken.audit_asked_at = _asked_since(taken.audits)
        if clock.monotonic() >= self._list_at:
            began = clock.monotonic()
            self._terms, self._entered = catalogue.load(0), guard.entered_accounts()
            self._list_at = _next_walk(began)

    def _read_ledger(self, taken: Readings) -> None:
        book = glance_ledger()
        calls: list[Call] = []
        for reading in taken.accounts:
            portfolio, index = keys.portfolio(reading.account), keys.orders_index(reading.account)
            calls += [(portfolio, ("HGET", portfolio, "balance")), (index, ("SCARD", index))]
        answers = book.run(calls)
        taken.accounts = [
            AccountReading(reading.account, balance or "-", int(orders or 0))
            for reading, balance, orders in zip(taken.accounts, answers[::2], answers[1::2], strict=True)
        ]
        taken.queues = [lag.queue(book, name) for name in work.QUEUES]
        taken.recorder_lag_s = lag.recorder_lag_s(book)
        taken.halts = halts.in_force(book)
        if clock.monotonic() >= self._walk_at:
            began = clock.monotonic()
            taken.backlog = backlog(book, self._entered)
            self._walk_at = _next_walk(began)

    def _read_market(self, taken: Readings) -> None:
        client = glance_market()
        pipe = client.pipeline(transaction=False)
        for reading in taken.accounts:
            pipe.hmget(keys.user_margin(reading.account), "equity", "level")
        taken.accounts = [
            AccountReading(reading.account, reading.balance, reading.open_orders, equity or "", level or "")
            for reading, (equity, level) in zip(taken.accounts, pipe.execute(), strict=True)
        ]
        taken.quotes = _quotes(client, self._terms) if self._terms else ()
        taken.workers = _workers(client)
        taken.processes = _processes(client)


def tell_processes(processes: Sequence[ProcessReading]) -> None:
    """A supervisor says what runs under it, for whoever looks from elsewhere. Said often: it is soon forgotten."""
    key, told = keys.processes(default_consumer()), codec.to_json([asdict(each) for each in processes])
    glance_market().set(key, told, ex=PROCESSES_LIFE_S)


def _next_walk(began: float) -> float:
    ended = clock.monotonic()
    return ended + max(WALK_EVERY_S, (ended - began) * WALK_SHARE)


def _busiest() -> list[AccountRef]:
    """The accounts of the last deals, then those that were opened first."""
    last = Deal.objects.values_list("account", flat=True)[:200]
    rows = [f"{kind}:{pk}" for kind, model in ACCOUNT_MODELS.items() for pk in _first_ids(model)]
    return [AccountRef.parse(name) for name in list(dict.fromkeys([*last, *rows]))[:MOST_ACCOUNTS]]


def _first_ids(model: Any) -> list[int]:
    return list(model.objects.order_by("pk").values_list("pk", flat=True)[:2])


def _asked_since(audits: Sequence[AuditReport]) -> datetime | None:
    """When somebody last asked for an audit, unless one has ended since then."""
    asked = AuditEntry.objects.filter(action=AUDIT).values_list("at", flat=True).first()
    return asked if asked and not (audits and audits[0].at > asked) else None


def _quotes(client: redis.Redis, known: Catalogue) -> list[QuoteReading]:
    """Every instrument, those first that should have a current price and have none."""
    tradable = readiness.open_limits(known, clock.now_ms())
    prices = quotes.read(client, sorted(known.price_age_ms))
    found = [
        _quote(symbol, limit_ms, prices.quotes.get(symbol), symbol in tradable, prices.now_ms)
        for symbol, limit_ms in sorted(known.price_age_ms.items())
    ]
    return sorted(found, key=lambda each: (each.current or not each.tradable, each.symbol))


def _quote(symbol: str, limit_ms: int, quote: Quote | None, tradable: bool, now_ms: int) -> QuoteReading:
    if quote is None:
        return QuoteReading(symbol, "", "", None, limit_ms / 1_000, tradable, False)
    age_s, current = (now_ms - quote.stamp_ms) / 1_000, readiness.is_current(quote, limit_ms, now_ms)
    return QuoteReading(symbol, str(quote.bid), str(quote.ask), age_s, limit_ms / 1_000, tradable, current)


def _workers(client: redis.Redis) -> list[WorkerReading]:
    found = []
    for key in sorted(client.scan_iter(keys.heartbeat("*", "*"), count=1_000)):
        told: dict[Any, Any] = client.hgetall(key)
        silent_s = max(0, clock.now_ms() - int(told.pop("at_ms", 0))) / 1_000
        state, _ = str(told.pop("state", "")), told.pop("pid", "")
        _, name, consumer = str(key).split(":", 2)
        words = ", ".join(f"{what!s} {how_much!s}" for what, how_much in told.items())
        found.append(WorkerReading(name, consumer, silent_s, state, words))
    return found


def _processes(client: redis.Redis) -> list[ProcessReading]:
    found: list[ProcessReading] = []
    for key in sorted(client.scan_iter(keys.processes("*"), count=1_000)):
        told: Any = client.get(key)
        found.extend(ProcessReading(**each) for each in (codec.from_json(told) if told else ()))
    return found
