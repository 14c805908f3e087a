"""All terms of one epoch as one frozen value, kept by each process and read again when they may have changed.

The epoch is a counter on the ledger that `announce_change` raises (through whoever registered
with `on_change`) after a change of terms was committed. Loads of the book carry it, so a process
sees at its next command that its catalogue is old.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction

from accounts.terms import Catalogue, Commission, GroupTerms, Terms, TradingHours
from copytrading.kernel import clock, decimals
from copytrading.kernel.errors import LedgerUnavailable

MAX_AGE_S = 5
RETRY_S = 3

# One statement sees one snapshot, so the parts of a catalogue never come from different moments.
_READ = """
    SELECT json_build_object(
        'currencies', (SELECT json_agg(each) FROM accounts_currency each),
        'groups', (SELECT json_agg(each) FROM accounts_group each),
        'instruments', (SELECT json_agg(each) FROM accounts_instrument each),
        'offers', (SELECT json_agg(each) FROM accounts_groupinstrument each)
    )::text
"""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    catalogue: Catalogue
    loaded_at: float


class _Cache:
    """One process's catalogue. `_kept` is replaced whole, so that a fresh one is read without the lock."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.forget()

    def forget(self) -> None:
        self._kept: _Kept | None = None
        self._failed_at: float | None = None

    def current(self, epoch: int) -> Catalogue:
        return self._fresh(epoch) or self._reloaded(epoch)

    def _fresh(self, epoch: int) -> Catalogue | None:
        kept = self._kept
        if kept and kept.catalogue.epoch == epoch and clock.monotonic() - kept.loaded_at < MAX_AGE_S:
            return kept.catalogue
        return None

    def _reloaded(self, epoch: int) -> Catalogue:
        with self._lock:
            if fresh := self._fresh(epoch):
                return fresh
            if self._failed_at is not None and clock.monotonic() - self._failed_at < RETRY_S:
                return self._without_database(epoch, None)
            started = clock.monotonic()
            try:
                catalogue = load(epoch)
            except (OperationalError, InterfaceError) as error:
                self._failed_at = clock.monotonic()
                return self._without_database(epoch, error)
            self._kept = _Kept(catalogue, started)
            return catalogue

    def _without_database(self, epoch: int, error: Exception | None) -> Catalogue:
        """The catalogue we have is still that of its epoch; one of another epoch may hold other prices."""
        if self._kept and self._kept.catalogue.epoch == epoch:
            return self._kept.catalogue
        raise LedgerUnavailable(
            f"Terms of epoch {epoch} can't be read: PostgreSQL can't be reached. Nothing was done. "
            "Start PostgreSQL, or check DATABASE_URL; the next command tries again."
        ) from error


_cache = _Cache()
_listeners: list[Callable[[], None]] = []


def current(epoch: int) -> Catalogue:
    """The terms of `epoch`, at most MAX_AGE_S old while PostgreSQL answers. Raises LedgerUnavailable without any."""
    return _cache.current(epoch)


def forget() -> None:
    """The next `current` reads, as in a process that has just begun."""
    _cache.forget()


def on_change(listener: Callable[[], None]) -> None:
    """`listener` is called after each committed change of terms. Registering it twice is the same as once."""
    if listener not in _listeners:
        _listeners.append(listener)


def announce_change() -> None:
    """Whoever changed terms says so. A listener that fails is logged: after MAX_AGE_S everyone reads again anyway."""
    for listener in _listeners:
        transaction.on_commit(listener, robust=True)


def load(epoch: int) -> Catalogue:
    """Reads everything in one statement."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        row = cursor.fetchone()
    # NUMERIC columns always have a point, so every one of them becomes a Decimal and nothing a float.
    return assemble(epoch, json.loads(row[0], parse_float=_plain))


def assemble(epoch: int, tables: Mapping[str, list[Row] | None]) -> Catalogue:
    """The catalogue of rows as the tables hold them."""
    groups = {row["name"]: row for row in tables["groups"] or ()}
    instruments = {row["symbol"]: row for row in tables["instruments"] or ()}
    hours = {symbol: _hours(row) for symbol, row in instruments.items()}
    offers = [
        _terms(groups[row["group_id"]], instruments[row["instrument_id"]], row, hours) for row in tables["offers"] or ()
    ]
    return Catalogue(
        epoch=epoch,
        groups={name: _group_terms(row) for name, row in groups.items()},
        terms={(terms.group, terms.symbol): terms for terms in offers},
        pairs=_pairs(instruments),
        currency_digits={row["code"]: row["digits"] for row in tables["currencies"] or ()},
        price_age_ms={symbol: row["price_age_ms"] for symbol, row in instruments.items()},
        hours=hours,
    )


def _plain(written: str) -> Decimal:
    """Without the zeros that only fill the column."""
    return Decimal(decimals.text(Decimal(written)))


def _hours(row: Row) -> TradingHours:
    return TradingHours(row["time_zone"], tuple((start, end) for start, end in row["sessions"]))


def _pairs(instruments: Mapping[str, Row]) -> dict[tuple[str, str], str]:
    """Of several instruments of one pair (EURUSD, EURUSD.m) the shortest name, then the first, gives the rate."""
    pairs: dict[tuple[str, str], str] = {}
    for symbol in sorted(instruments, key=lambda symbol: (len(symbol), symbol)):
        row = instruments[symbol]
        if row["instrument_class"] == "forex":
            pairs.setdefault((row["base_currency_id"], row["profit_currency_id"]), symbol)
    return pairs


def _group_terms(row: Row) -> GroupTerms:
    return GroupTerms(
        name=row["name"],
        currency=row["currency_id"],
        hedging_mode=row["hedging_mode"],
        margin_call_level=row["margin_call_level"],
        stop_out_level=row["stop_out_level"],
        ignore_hours=row["ignore_hours"],
    )


def _commission(row: Row) -> Commission:
    return Commission(row["commission_kind"], row["commission_rate"], row["commission_timing"])


def _or(value: Decimal | None, fallback: Decimal) -> Decimal:
    return fallback if value is None else value


def _terms(group: Row, instrument: Row, offer: Row, hours: Mapping[str, TradingHours]) -> Terms:
    """The instrument's own values with the group's laid over them."""
    return Terms(
        group=group["name"],
        symbol=instrument["symbol"],
        instrument_class=instrument["instrument_class"],
        digits=instrument["digits"],
        tick=instrument["tick"],
        contract_size=instrument["contract_size"],
        hedged_size=instrument["hedged_size"],
        base_currency=instrument["base_currency_id"],
        profit_currency=instrument["profit_currency_id"],
        margin_currency=instrument["margin_currency_id"],
        lot_min=_or(offer["lot_min"], instrument["lot_min"]),
        lot_max=_or(offer["lot_max"], instrument["lot_max"]),
        lot_step=instrument["lot_step"],
        price_age_ms=instrument["price_age_ms"],
        hours=hours[instrument["symbol"]],
        ignore_hours=group["ignore_hours"],
        spread_points=offer["spread_points"],
        spread_point=offer["spread_point"],
        commission=_commission(group if offer["commission_kind"] is None else offer),
        margin_factor=offer["margin_factor"],
        margin_rate=offer["margin_rate"],
        stops_level=offer["stops_level"],
    )
