"""Whether this process lives (`/healthz`), and what of the system is down, by name (`/readyz`). Open to everybody.

Trading needs the ledger, the market instance and prices: without one of them `/readyz` is 503. With
PostgreSQL or a worker down trading goes on, so the answer stays 200, lest a balancer take the web
processes away; `down` names it all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from accounts import catalogue
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from orders.book import guard, keys, quotes, terms
from orders.book.connection import ReplyLost, market
from orders.rules.hours import market_open
from orders.rules.pricing import is_sound, is_stale

#: Every kind of worker without which something comes to a halt sooner or later.
WORKERS = ("market_feed", "pending_monitor", "margin_monitor", "worker_record", "sweeper")
TRADING_NEEDS = frozenset({"ledger", "market", "feed"})
AWAY = (RedisError, LedgerUnavailable, ReplyLost, DatabaseError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """`detail` is in our own words: a driver's would name hosts to whoever asks."""

    up: bool
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    checks = {name: _checked(name, check) for name, check in _CHECKS.items()}
    down = [name for name, check in checks.items() if not check.up]
    trading = not TRADING_NEEDS.intersection(down)
    shown = {name: {"up": check.up, "detail": check.detail, **check.facts} for name, check in checks.items()}
    body = {"ok": not down, "trading": trading, "down": down, "checks": shown}
    return JsonResponse(body, status=200 if trading else 503, headers={"Cache-Control": "no-store"})


def _checked(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except AWAY as error:
        log.warning("not_ready", check=name, error=str(error))
        return Check(False, "can't be reached")


def _ledger() -> Check:
    if guard.uncleared():
        return Check(False, "restarted and not yet compared with the record; the sweeper does that")
    terms.epoch()
    return Check(True)


def _market() -> Check:
    market().ping()
    return Check(True)


def _database() -> Check:
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Check(True)


def _feed() -> Check:
    """Down when no instrument whose market is open has a quote fresh enough to trade on."""
    known = catalogue.current(terms.epoch())
    now_ms = clock.now_ms()
    limits = {each.symbol: each.price_age_ms for each in known.terms.values() if market_open(each, now_ms)}
    prices = quotes.read(market(), limits)
    fresh = [
        quote
        for symbol, quote in prices.quotes.items()
        if is_sound(quote) and not is_stale(quote, limits[symbol], prices.now_ms)
    ]
    ages_ms = [prices.now_ms - quote.stamp_ms for quote in prices.quotes.values()]
    facts = {"age_ms": min(ages_ms, default=None), "open": len(limits), "fresh": len(fresh)}
    if limits and not fresh:
        return Check(False, "no instrument whose market is open has a current price", facts)
    return Check(True, "" if limits else "every market is closed", facts)


def _workers() -> Check:
    """A heartbeat that nobody renews is gone within seconds, so one that is there is of a worker that runs."""
    pattern = keys.heartbeat("*", "*")
    beating = {str(key).split(":")[1] for key in market().scan_iter(pattern, count=1_000)}
    missing = [name for name in WORKERS if name not in beating]
    return Check(not missing, f"no heartbeat of {', '.join(missing)}" if missing else "", {"missing": missing})


_CHECKS: dict[str, Callable[[], Check]] = {
    "ledger": _ledger,
    "market": _market,
    "database": _database,
    "feed": _feed,
    "workers": _workers,
}
