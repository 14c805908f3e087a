"""Terms, catalogues and markets to test with. Every figure may be given as text: `make_terms(spread_points="3")`.

Left alone, `make_terms()` is EURUSD as the worked examples have it: contract 100,000, a markup of
2 points of 0.0001 (half-spread 0.0001), always open, no commission.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from accounts.terms import Catalogue, Commission, GroupTerms, Terms, TradingHours
from orders.rules.facts import Market, Quote

NOW: Final = 1_768_392_000_000  # Wednesday, 2026-01-14 12:00:00 UTC

ALWAYS: Final = TradingHours("UTC", ((0, 10_080),))
NEVER: Final = TradingHours("UTC", ())
#: Forex: from Sunday 17:00 to Friday 17:00, New York.
NEW_YORK: Final = TradingHours("America/New_York", ((0, 4 * 1440 + 1020), (6 * 1440 + 1020, 10_080)))

NO_COMMISSION: Final = Commission("per_lot", Decimal(0), "both")

DIGITS: Final[Mapping[str, int]] = {"USD": 2, "EUR": 2, "GBP": 2, "CHF": 2, "JPY": 0, "PLN": 2}

_DECIMALS: Final = frozenset(each.name for each in fields(Terms) if "Decimal" in str(each.type))


def make_terms(symbol: str = "EURUSD", **overrides: Any) -> Terms:
    """An instrument in group "std". The name of a pair gives its currencies, and these its digits, tick and point."""
    base, profit = symbol[:3], symbol[3:6] or "USD"
    yen = profit == "JPY"
    given: dict[str, Any] = {
        "group": "std",
        "symbol": symbol,
        "instrument_class": "forex",
        "digits": 3 if yen else 5,
        "tick": "0.001" if yen else "0.00001",
        "contract_size": "100000",
        "base_currency": base,
        "profit_currency": profit,
        "lot_min": "0.01",
        "lot_max": "100",
        "lot_step": "0.01",
        "price_age_ms": 10_000,
        "hours": ALWAYS,
        "ignore_hours": False,
        "spread_points": "2",
        "spread_point": "0.01" if yen else "0.0001",
        "commission": NO_COMMISSION,
        "margin_factor": "1",
        "margin_rate": None,
        "stops_level": "0",
    } | overrides
    given.setdefault("hedged_size", given["contract_size"])
    forex = given["instrument_class"] == "forex"
    given.setdefault("margin_currency", given["base_currency" if forex else "profit_currency"])
    values: dict[str, Any] = {name: _number(value) if name in _DECIMALS else value for name, value in given.items()}
    return Terms(**values)


def make_group(**overrides: Any) -> GroupTerms:
    given: dict[str, Any] = {
        "name": "std",
        "currency": "USD",
        "hedging_mode": "larger_leg",
        "margin_call_level": Decimal(100),
        "stop_out_level": Decimal(50),
        "ignore_hours": False,
    }
    return GroupTerms(**given | overrides)


def make_catalogue(*terms: Terms, groups: Iterable[GroupTerms] = (), **overrides: Any) -> Catalogue:
    """Offers `terms` (left alone: EURUSD) and converts with the forex pairs among them."""
    offered = terms or (make_terms(),)
    given: dict[str, Any] = {
        "epoch": 1,
        "groups": {group.name: group for group in (tuple(groups) or (make_group(),))},
        "terms": {(each.group, each.symbol): each for each in offered},
        "pairs": {
            (each.base_currency, each.profit_currency): each.symbol
            for each in offered
            if each.instrument_class == "forex"
        },
        "currency_digits": DIGITS,
        "price_age_ms": {each.symbol: each.price_age_ms for each in offered},
        "hours": {each.symbol: each.hours for each in offered},
    }
    return Catalogue(**given | overrides)


def make_quote(bid: str | Decimal, ask: str | Decimal | None = None, symbol: str = "EURUSD", **overrides: Any) -> Quote:
    """A quote of this moment; without an ask it is locked."""
    given: dict[str, Any] = {"stamp_ms": NOW, "sequence": 1} | overrides
    return Quote(symbol, Decimal(bid), Decimal(bid if ask is None else ask), **given)


def make_market(*quotes: Quote, now_ms: int = NOW) -> Market:
    return Market(now_ms, {quote.symbol: quote for quote in quotes})


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)
