"""What of the system is up, by name: the answer of `/readyz`, and the first thing an operator is shown.

Trading needs the ledger, the market instance and prices. With PostgreSQL or a worker down trading
goes on. Only looks on, and gives up on a server that does not answer within a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from redis.exceptions import RedisError

from accounts import catalogue
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from orders.book import guard, keys, quotes, terms
from orders.book.connection import ReplyLost, glance_ledger, glance_market
from orders.rules.facts import Quote
from orders.rules.hours import market_open
from orders.rules.pricing import is_sound, is_stale

#: Every kind of worker without which something comes to a halt sooner or later.
WORKERS = ("market_feed", "pending_monitor", "margin_monitor", "worker_record", "sweeper")
TRADING_NEEDS = frozenset({"ledger", "market", "feed"})
#: What asking a server raises when it is not there.
AWAY = (RedisError, LedgerUnavailable, ReplyLost, DatabaseError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Check:
    """`detail` is in our own words: a driver's, in `error`, would name hosts to whoever asks.

    `blames` names the check whose failure keeps this one from being made.
    """

    up: bool
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    blames: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    checks: Mapping[str, Check]

    @property
    def down(self) -> list[str]:
        return [name for name, check in self.checks.items() if not check.up]

    @property
    def trading(self) -> bool:
        return not TRADING_NEEDS.intersection(self.down)

    @property
    def causes(self) -> list[str]:
        """What is down by itself, and not because something else is."""
        return [name for name in self.down if not self.checks[name].blames]


def look() -> Readiness:
    return Readiness({name: _checked(check) for name, check in _CHECKS.items()})


def open_limits(known: Catalogue, now_ms: int) -> dict[str, int]:
    """How old a price may be, in milliseconds, of every instrument that somebody may trade at `now_ms`."""
    return {each.symbol: each.price_age_ms for each in known.terms.values() if market_open(each, now_ms)}


def is_current(quote: Quote, limit_ms: int, now_ms: int) -> bool:
    return is_sound(quote) and not is_stale(quote, limit_ms, now_ms)


def _checked(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except AWAY as error:
        return _unreached(error)


def _unreached(error: Exception, blames: str = "") -> Check:
    return Check(False, "can't be reached", error=str(error), blames=blames)


def _ledger() -> Check:
    terms.epoch(glance_ledger())
    try:
        waiting = guard.uncleared(glance_ledger(), glance_market())
    except RedisError as error:  # the ledger has just answered; who was checked is known to the market instance
        return _unreached(error, blames="market")
    if waiting:
        return Check(False, "restarted and not yet compared with the record; the sweeper does that")
    return Check(True)


def _market() -> Check:
    glance_market().ping()
    return Check(True)


def _database() -> Check:
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Check(True)


def _feed() -> Check:
    """Down when no instrument whose market is open has a quote fresh enough to trade on."""
    needed = "ledger"
    try:
        epoch = terms.epoch(glance_ledger())
        needed = "database"
        limits = open_limits(catalogue.current(epoch), clock.now_ms())
        needed = "market"
        prices = quotes.read(glance_market(), limits)
    except AWAY as error:
        return _unreached(error, blames=needed)
    fresh = [symbol for symbol, quote in prices.quotes.items() if is_current(quote, limits[symbol], prices.now_ms)]
    ages_ms = [prices.now_ms - quote.stamp_ms for quote in prices.quotes.values()]
    facts = {"age_ms": min(ages_ms, default=None), "open": len(limits), "fresh": len(fresh)}
    if limits and not fresh:
        return Check(False, "no instrument whose market is open has a current price", facts)
    return Check(True, "" if limits else "every market is closed", facts)


def _workers() -> Check:
    """A heartbeat that nobody renews is gone within seconds, so one that is there is of a worker that runs."""
    pattern = keys.heartbeat("*", "*")
    try:
        beating = {str(key).split(":")[1] for key in glance_market().scan_iter(pattern, count=1_000)}
    except RedisError as error:
        return _unreached(error, blames="market")
    missing = [name for name in WORKERS if name not in beating]
    return Check(not missing, f"no heartbeat of {', '.join(missing)}" if missing else "", {"missing": missing})


_CHECKS: dict[str, Callable[[], Check]] = {
    "ledger": _ledger,
    "market": _market,
    "database": _database,
    "feed": _feed,
    "workers": _workers,
}
