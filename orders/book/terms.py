"""The terms epoch on the ledger, and the terms of each group for readers outside Python."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

from accounts import catalogue as catalogues
from accounts.terms import Catalogue, Commission, Terms, TradingHours
from copytrading.kernel.decimals import text
from orders.book import codec, keys
from orders.book.connection import Call, Ledger, ledger


def renew() -> None:
    """Terms have changed in PostgreSQL: every load after this reads them, and readers outside Python find them."""
    raised = ledger().run([(keys.TERMS_EPOCH, ("INCR", keys.TERMS_EPOCH))])[0]
    publish(catalogues.current(int(raised)))


def epoch(book: Ledger | None = None) -> int:
    return int((book or ledger()).run([(keys.TERMS_EPOCH, ("GET", keys.TERMS_EPOCH))])[0] or 0)


def publish(catalogue: Catalogue, book: Ledger | None = None) -> int:
    """Writes `groups:{GROUP}:<SYMBOL>` for every pair. Gives how many."""
    calls: list[Call] = []
    for (group, symbol), terms in sorted(catalogue.terms.items()):
        key = keys.group_terms(group, symbol)
        calls.append((key, ("HSET", key, *(item for pair in _written(terms).items() for item in pair))))
    (book or ledger()).run(calls)
    return len(calls)


def _written(terms: Terms) -> dict[str, str]:
    return {field.name: _plain(getattr(terms, field.name)) for field in fields(Terms)}


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, Commission):
        return codec.to_json({"kind": value.kind, "rate": text(value.rate), "timing": value.timing})
    if isinstance(value, TradingHours):
        return codec.to_json({"time_zone": value.time_zone, "sessions": value.sessions})
    if value is None:
        return ""
    return "1" if value is True else "0" if value is False else str(value)
