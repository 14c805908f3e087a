"""How everything is at this moment, as Prometheus gauges: asked of each part when they are asked for.

A part that is away, or does not answer within DEADLINE_S, is down (`copytrading_up`); the others tell on.
"""

import math
import platform
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from typing import Final

import django
import structlog
from django.conf import settings
from django.db import connections
from prometheus_client.core import GaugeMetricFamily

from accounts import catalogue
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from orders.book import guard, keys, quotes, terms, work
from orders.book.connection import ReplyLost, market, unguarded_ledger
from orders.looking import lag
from orders.models import AuditReport
from orders.readiness import AWAY, WORKERS
from orders.rules.hours import market_open
from orders.verbs import halt as halts

DEADLINE_S = 3.0
PARTS: Final = ("ledger", "market", "database")
_readers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="gauges")
_log = structlog.get_logger(__name__)

Gauges = list[GaugeMetricFamily]


def read() -> Gauges:
    """Everything that could be read in time."""
    under_way = {name: _readers.submit(copy_context().run, _read, name) for name in _READERS}
    wait(under_way.values(), DEADLINE_S)
    told = {name: _gauges_of(name, future) for name, future in under_way.items()}
    up = _gauge("up", "Whether this part of the system answers: 1 or 0.", "part")
    for part in PARTS:
        up.add_metric([part], told[part] is not None)
    return [_build_info(), up, *(gauge for gauges in told.values() for gauge in gauges or ())]


def _gauges_of(name: str, future: Future[Gauges | None]) -> Gauges | None:
    if future.done():
        return future.result()
    future.cancel()  # one that has begun ends by its own time-outs
    _log.warning("gauges_late", part=name, limit_s=DEADLINE_S)
    return None


def _read(name: str) -> Gauges | None:
    try:
        return _READERS[name]()
    except AWAY as error:
        _log.warning("gauges_away", part=name, error=str(error))
        return None
    except Exception:
        _log.exception("gauges_broken", part=name)  # a fault of one must not hide the others
        return None
    finally:
        connections.close_all()


def _ledger() -> Gauges:
    book = unguarded_ledger()
    waiting = _gauge("queue_waiting", "Messages waiting for a worker, those under way included.", "queue")
    oldest = _gauge("queue_oldest_seconds", "How long the oldest message of a queue has been waiting.", "queue")
    dead = _gauge("dead_letters", "Messages that failed too often and wait for somebody to look at them.", "queue")
    for name in work.QUEUES:
        state = lag.queue(book, name)
        waiting.add_metric([name], state.waiting)
        oldest.add_metric([name], state.oldest_s)
        dead.add_metric([name], state.dead)
    behind = _gauge("recorder_lag_seconds", "Age of the oldest journal entry that PostgreSQL does not have yet.")
    behind.add_metric([], lag.recorder_lag_s(book))
    halted = _gauge("halts", "Halts in force, by what they are of.", "scope", "opens_only")
    standing = Counter((halt.scope.partition(":")[0], str(halt.opens_only).lower()) for halt in halts.in_force(book))
    for scope in ("platform", "group", "instrument"):
        for opens_only in ("true", "false"):
            halted.add_metric([scope, opens_only], standing[scope, opens_only])
    return [waiting, oldest, dead, behind, halted]


def _clearance() -> Gauges:
    cleared = _gauge("ledger_cleared", "Whether every ledger node was checked since it started: without, no trading.")
    cleared.add_metric([], not guard.uncleared())
    return [cleared]


def _market() -> Gauges:
    """A kind of worker that must run and has no heartbeat has one that is infinitely old."""
    client, now_ms = market(), clock.now_ms()
    ages: dict[str, list[float]] = {name: [] for name in WORKERS}
    for key in client.scan_iter(keys.heartbeat("*", "*"), count=1_000):
        if at_ms := client.hget(key, "at_ms"):
            ages.setdefault(str(key).split(":")[1], []).append(max(0, now_ms - int(at_ms)) / 1_000)
    age = _gauge("worker_heartbeat_age_seconds", "Age of the youngest heartbeat of this kind of worker.", "worker")
    running = _gauge("workers", "Workers of this kind with a heartbeat.", "worker")
    for name, beats in sorted(ages.items()):
        age.add_metric([name], min(beats, default=math.inf))
        running.add_metric([name], len(beats))
    return [age, running]


def _quotes() -> Gauges:
    """Of every instrument that is offered; one never quoted has a quote that is infinitely old."""
    known = _catalogue()
    symbols = sorted({symbol for _, symbol in known.terms}) if known else _ever_quoted()
    prices = quotes.read(market(), symbols)
    age = _gauge("quote_age_seconds", "Age of the present quote.", "symbol")
    for symbol in symbols:
        quote = prices.quotes.get(symbol)
        age.add_metric([symbol], max(0, prices.now_ms - quote.stamp_ms) / 1_000 if quote else math.inf)
    return [age, *([_open_markets(known, symbols)] if known else [])]


def _open_markets(known: Catalogue, symbols: Iterable[str]) -> GaugeMetricFamily:
    now_ms = clock.now_ms()
    opened = {symbol for (_, symbol), offered in known.terms.items() if market_open(offered, now_ms)}
    gauge = _gauge("market_open", "Whether any group may trade this instrument now, by its hours.", "symbol")
    for symbol in symbols:
        gauge.add_metric([symbol], symbol in opened)
    return gauge


def _catalogue() -> Catalogue | None:
    try:
        return catalogue.current(terms.epoch(unguarded_ledger()))
    except (LedgerUnavailable, ReplyLost):
        return None


def _ever_quoted() -> list[str]:
    return sorted(str(key).partition(":")[2] for key in market().scan_iter("market:*", count=1_000))


def _database() -> Gauges:
    outcome = _gauge("last_audit_outcome", "0 clean, 1 drift, 2 loss suspected, 3 could not check.")
    at = _gauge("last_audit_timestamp_seconds", "When the last audit ended, in Unix time.")
    if report := AuditReport.objects.first():
        outcome.add_metric([], report.outcome)
        at.add_metric([], report.at.timestamp())
    return [outcome, at]


def _build_info() -> GaugeMetricFamily:
    versions = {"version": _version(), "python": platform.python_version(), "django": django.get_version()}
    gauge = _gauge("build_info", "Always 1; the labels say what runs.", *versions)
    gauge.add_metric([*versions.values()], 1)
    return gauge


@cache
def _version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"copytrading_{name}", told, labels=labels)


_READERS: dict[str, Callable[[], Gauges]] = {
    "ledger": _ledger,
    "market": _market,
    "database": _database,
    "quotes": _quotes,
    "clearance": _clearance,
}
