"""pending_monitor: fires local resting orders, stop losses and take profits, and ends pending orders that expired.

Levels are hints: every firing is decided by the `fire` verb from a fresh load. What a level's order or
account can't do now (halted, no rate, price too old) waits for a later quote; a level whose setting is
gone is dropped, here and from the index.

The indexes are read at the start and every REREAD_S, a slice a step, so that ticks never wait for it.
What is read goes into a book of its own, and so does news that comes meanwhile; at the end that book
takes the place of the old one. At the start there is no old one, and levels count as they are read.
"""

import zlib
from collections.abc import Iterator
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any

from accounts import catalogue as catalogues
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken, LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import AccountRef, OrderId
from copytrading.kernel.rejections import Reason, Rejection
from orders.book import keys, quotes, terms
from orders.book.account import load
from orders.book.connection import ledger, market
from orders.book.streams import news_from, read_news
from orders.book.triggers import KIND_OF, Level, drop_call, levels_from_rows
from orders.messages import CancelPending, Done, Fire
from orders.rules import hours, pricing
from orders.rules.facts import Quote
from orders.verbs import carry_out
from workers.base import Worker
from workers.monitors import indexes
from workers.monitors.levels import LevelBook

REREAD_S = 60.0
EXPIRY_EVERY_S = 1.0
WAIT_S = 1.0
BROKEN_WAIT_S = 60.0
_LISTEN_S = 0.25
_NEWS_AT_ONCE = 1_000
_NEWS_AGAIN_MS = 5_000
PRINCIPAL = "system:pending_monitor"

#: The load showed that there is nothing to fire any more.
_GONE = (
    Reason.stop_not_set,
    Reason.order_not_found,
    Reason.order_not_open,
    Reason.order_not_pending,
    Reason.account_not_found,
)


class PendingMonitor(Worker):
    """One step hears a batch of ticks. `shard` (k, n) takes the symbols whose CRC-32 is k modulo n."""

    name = "pending_monitor"
    shard: tuple[int, int] = (0, 1)

    def prepare(self) -> None:
        self._levels = self._coming = LevelBook()
        self._reading: Iterator[None] | None = None
        self._never_read = True
        self._waiting: list[tuple[float, Level]] = []  # a heap: the next to be due is first
        self._latest: dict[str, Quote] = {}
        self._news_at = "$"
        self._heard: Iterator[quotes.Heard] | None = None
        self._reread_at = self._expired_at = float("-inf")
        self._symbols: tuple[str, ...] = ()
        self._spreads_of: Catalogue | None = None

    def lag(self) -> dict[str, str]:
        return {"levels": str(len(self._levels)), "waiting": str(len(self._waiting))}

    def step(self) -> bool:
        catalogue = catalogues.current(terms.epoch())
        self._follow_symbols(catalogue)
        heard = next(self._heard) if self._heard else quotes.Heard((), False)
        if self._reading is None and (heard.missed or clock.monotonic() - self._reread_at > REREAD_S):
            self._begin_reading(catalogue)
        self._learn(catalogue)
        self._read_on(catalogue)
        for quote in heard.quotes:
            self._latest[quote.symbol] = quote
            if self._on_quote(quote, catalogue):
                self._learn(catalogue)  # an order that was filled has levels of its own, for the very next tick
        if clock.monotonic() - self._expired_at > EXPIRY_EVERY_S:
            self._expired_at = clock.monotonic()
            self._end_expired()
        return bool(heard.quotes) or self._reading is not None

    def mine(self, symbol: str) -> bool:
        number, of = self.shard
        return zlib.crc32(symbol.encode()) % of == number

    def _follow_symbols(self, catalogue: Catalogue) -> None:
        symbols = tuple(sorted({symbol for _, symbol in catalogue.terms if self.mine(symbol)}))
        if symbols != self._symbols or self._heard is None:
            self._symbols, self._reading = symbols, None
            self._heard = quotes.listen(market(), symbols, _LISTEN_S, self._is_reading) if symbols else None
            if self._heard is None:
                self.stop.wait(_LISTEN_S)

    def _is_reading(self) -> bool:
        return self._reading is not None

    def _begin_reading(self, catalogue: Catalogue) -> None:
        """Of every level of this share, and the last news again: on a cluster it may be ahead of the indexes."""
        self._reread_at = clock.monotonic()
        self._news_at = news_from(ledger(), keys.QUEUE_LEVELS, _NEWS_AGAIN_MS)
        self._coming = self._levels if self._never_read else LevelBook()
        self._reading = indexes.read_into(self._coming, indexes.named_in(catalogue, self._symbols))

    def _read_on(self, catalogue: Catalogue) -> None:
        """One slice; after the last, levels that were not known are judged by the ticks that came meanwhile."""
        if self._reading is None or next(self._reading, self) is not self:
            return
        self._reading, self._never_read = None, False
        self._levels = self._coming
        self._waiting.clear()
        for quote in list(self._latest.values()):
            self._on_quote(quote, catalogue)

    def _learn(self, catalogue: Catalogue) -> None:
        """Levels just set, or done with waiting, are judged by the latest tick: it may have come before the news."""
        for symbol in self._read_news() | self._try_waiting():
            if latest := self._latest.get(symbol):
                self._on_quote(latest, catalogue)

    def _read_news(self) -> set[str]:
        """Levels set since the last look; gives their symbols. Read before ticks are judged, so that none is missed."""
        symbols: set[str] = set()
        while news := read_news(ledger(), keys.QUEUE_LEVELS, self._news_at, _NEWS_AT_ONCE):
            for name, values in news:
                self._news_at = name
                for level in _levels_of_news(values) if self.mine(values["symbol"]) else ():
                    self._levels.add(level)
                    self._coming.add(level)
                    symbols.add(level.symbol)
        return symbols

    def _on_quote(self, quote: Quote, catalogue: Catalogue) -> bool:
        """Whether it touched anything."""
        touched = False
        if not pricing.is_sound(quote):
            return touched
        for group in list(self._levels.groups_of(quote.symbol)):
            spread = self._spread(group, quote.symbol, catalogue)
            if spread is None:
                continue
            bid, ask = quote.bid - spread[0], quote.ask + spread[1]
            if not self._levels.reaches(quote.symbol, group, bid, ask):
                continue
            if not hours.market_open(catalogue.terms[group, quote.symbol], clock.now_ms()):
                continue
            fired = self._levels.touched(quote.symbol, group, bid, ask)
            touched = touched or bool(fired)
            for place, level in enumerate(fired):
                try:
                    self._fire(level, quote)
                except Exception:
                    for left in fired[place:]:
                        self._levels.add(left)
                    raise
        return touched

    def _spread(self, group: str, symbol: str, catalogue: Catalogue) -> tuple[Decimal, Decimal] | None:
        """What the client's prices are off the raw ones, worked out once for a catalogue; None if not offered."""
        if catalogue is not self._spreads_of:
            self._spreads_of = catalogue
            self._spreads: dict[tuple[str, str], tuple[Decimal, Decimal] | None] = {}
        if (group, symbol) not in self._spreads:
            offered = catalogue.terms.get((group, symbol))
            self._spreads[group, symbol] = pricing.half_spreads(offered) if offered else None
        return self._spreads[group, symbol]

    def _fire(self, level: Level, quote: Quote) -> None:
        command = Fire(
            account=AccountRef.parse(level.account),
            principal=PRINCIPAL,
            key=f"{level.order_id}:{level.family}:{level.version}",
            staff=True,
            order_id=OrderId(level.order_id),
            kind=KIND_OF[level.family],
            level_version=level.version,
            quote=quote,
        )
        try:
            outcome = _decided(command)
        except InvariantBroken as error:  # one broken account must not keep the others' stops from firing
            self._about(level).critical("level_broken", error=str(error), advice="run audit")
            heappush(self._waiting, (clock.monotonic() + BROKEN_WAIT_S, level))
            return
        except LedgerUnavailable as error:  # nor must one that was lost; if all is down, the next step tells
            self._about(level).error("level_waits", reason="ledger_unavailable", detail=str(error))
            heappush(self._waiting, (clock.monotonic() + WAIT_S, level))
            return
        if isinstance(outcome, Rejection) and not _is_gone(level, outcome):
            self._put_back(level, outcome)
            return
        ledger().run([drop_call(level)])
        if isinstance(outcome, Rejection):
            self._about(level).debug("gone", reason=outcome.reason.name)
        else:
            self._about(level).info("fired", bid=str(quote.bid), ask=str(quote.ask))

    def _about(self, level: Level) -> Any:
        """The log, with what each line about a level says of it. (`level` itself is the name of a line's gravity.)"""
        return self._log.bind(
            account=level.account,
            order=level.order_id,
            symbol=level.symbol,
            family=level.family,
            price=str(level.price),
        )

    def _put_back(self, level: Level, refused: Rejection) -> None:
        """To be judged by the next quote if that one did not touch it; else when a while has passed."""
        self._about(level).info("level_waits", reason=refused.reason.name, detail=refused.detail)
        if refused.reason is Reason.price_moved:
            self._levels.add(level)
        else:
            heappush(self._waiting, (clock.monotonic() + WAIT_S, level))

    def _try_waiting(self) -> set[str]:
        """Levels that have waited long enough; gives their symbols."""
        symbols: set[str] = set()
        while self._waiting and self._waiting[0][0] <= clock.monotonic():
            _, level = heappop(self._waiting)
            self._levels.add(level)
            symbols.add(level.symbol)
        return symbols

    def _end_expired(self) -> None:
        """Pending orders whose time has come; the index is a hint, so a modified one is looked at and left."""
        listed = [(symbol, keys.expiry_index(symbol)) for symbol in self._symbols]
        due = ledger().run([(key, ("ZRANGE", key, "-inf", clock.now_ms(), "BYSCORE")) for _, key in listed])
        for (_, key), members in zip(listed, due, strict=True):
            for member in members:
                if self._end_one(member):
                    ledger().run([(key, ("ZREM", key, member))])

    def _end_one(self, member: str) -> bool:
        account, order_id, version = member.split("|")
        about = self._log.bind(account=account, order=order_id)
        command = CancelPending(
            account=AccountRef.parse(account),
            principal=PRINCIPAL,
            key=f"{order_id}:expiry:{version}",
            staff=True,
            order_id=OrderId(order_id),
            because="expired",
        )
        try:
            outcome = carry_out(command)
        except (LedgerUnavailable, OutcomeUnknown) as error:
            about.warning("expiry_waits", error=str(error))
            return False
        except InvariantBroken as error:
            about.critical("expiry_broken", error=str(error), advice="run audit")
            return False
        if isinstance(outcome, Rejection) and outcome.reason not in _GONE:
            about.info("expiry_waits", reason=outcome.reason.name)
            return False
        return True


def _decided(command: Fire) -> Done | Rejection:
    """Goes on through lost races, until the quote is too old: a busy account must not lose its stop."""
    while True:
        try:
            outcome = carry_out(command)
        except OutcomeUnknown:
            outcome = carry_out(command)  # the same command: what was done is told, and not done again
        if not isinstance(outcome, Rejection) or outcome.reason is not Reason.conflict:
            return outcome


def _is_gone(level: Level, refused: Rejection) -> bool:
    """Also when the account has moved to another group: its levels are in the indexes of that one now."""
    if refused.reason is Reason.price_moved:
        return load(AccountRef.parse(level.account)).config.group != level.group
    return refused.reason in _GONE


def _levels_of_news(values: dict[str, str]) -> list[Level]:
    """One, or none if it is not readable."""
    named = (values["family"], values["symbol"], values["group"], values["side"])
    return levels_from_rows(named, [(values["member"], float(values["price"]))])  # type: ignore[arg-type]
