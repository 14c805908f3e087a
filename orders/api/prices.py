"""GET: what can be traded on which terms, and at what prices now."""

from collections.abc import Iterable
from typing import Any

import redis
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Principal
from accounts.api.base import ApiViewSet, principal
from accounts.api.problems import Refused
from accounts.api.schema import answers
from accounts.hours import write as write_hours
from accounts.models import Instrument
from accounts.terms import Catalogue, Terms, TradingHours
from copytrading.kernel import clock
from copytrading.kernel.decimals import text
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_time
from orders.api import shapes
from orders.api.permission import require, require_reading
from orders.api.queries import AccountQuery, QuotesQuery, asked_by
from orders.looking import prices
from orders.rules import admission, pricing
from orders.rules.facts import Market, Quote
from orders.rules.halts import Halt, check_halts
from orders.rules.hours import is_open, market_open, next_open_ms


class Instruments(ApiViewSet):
    """What can be traded."""

    @answers(shapes.Instruments, AccountQuery)
    def list(self, request: Request) -> Response:
        """All instruments, or those that an account may trade, with its group's terms."""
        account = asked_by(AccountQuery, request).account
        now_ms = clock.now_ms()
        if account is None:
            require_reading(principal(request))
            hours = prices.known().hours
            rows = Instrument.objects.filter(symbol__in=hours)
            return Response({"ok": True, "instruments": [_show_any(row, hours[row.symbol], now_ms) for row in rows]})
        terms = _offer_to(principal(request), account).terms
        rows = Instrument.objects.filter(symbol__in=terms)
        return Response({"ok": True, "instruments": [_show_offer(row, terms[row.symbol], now_ms) for row in rows]})


class Quotes(ApiViewSet):
    """Prices of now."""

    @answers(shapes.Quotes, QuotesQuery)
    def list(self, request: Request) -> Response:
        """An account's own bid and ask, its group's markup included; without an account, raw prices, for staff."""
        query, asker = asked_by(QuotesQuery, request), principal(request)
        try:
            if query.account:
                return Response({"ok": True, **_own(asker, query.account, query.asked.get("symbol"))})
            return Response({"ok": True, **_raw(asker, query.asked.get("symbol"))})
        except redis.RedisError:
            raise Refused(Rejection(Reason.no_price, "The market instance can't be reached.")) from None


def _own(asker: Principal, account: AccountRef, symbol: str | None) -> dict[str, Any]:
    offer = _offer_to(asker, account)
    if symbol and symbol not in offer.terms:
        raise Refused(admission.not_offered(offer.group, symbol))
    seen, now_ms = prices.seen({symbol: offer.terms[symbol]} if symbol else offer.terms)
    return {"quotes": [_show_seen(each, offer, now_ms) for each in seen], "as_of": show_time(now_ms)}


def _raw(asker: Principal, symbol: str | None) -> dict[str, Any]:
    if not asker.looks_everywhere:
        detail = "Raw prices are for staff; name one of your accounts."
        raise Refused(Rejection(Reason.missing_fields, detail, dict.fromkeys(("user_type", "user_id"), "missing")))
    known = prices.known()
    if symbol and symbol not in known.price_age_ms:
        advice = {"symbol": "Use a symbol that GET /api/instruments lists."}
        raise Refused(Rejection(Reason.unknown_symbol, f"There is no instrument {symbol}.", advice))
    read, halts = prices.raw([symbol] if symbol else sorted(known.price_age_ms)), prices.halts()
    shown = [_show_raw(quote, known, read, halts) for _, quote in sorted(read.quotes.items())]
    return {"quotes": shown, "as_of": show_time(read.now_ms)}


def _offer_to(asker: Principal, account: AccountRef) -> prices.Offer:
    require(asker, "view", account)
    offered = prices.offered(account)
    if isinstance(offered, Rejection):
        raise Refused(offered)
    return offered


def _show_seen(seen: prices.Seen, offer: prices.Offer, now_ms: int) -> dict[str, Any]:
    """An instrument whose opens alone are halted is shown as halted: `tradable` is about opening."""
    bid, ask = pricing.client_bid(seen.terms, seen.quote), pricing.client_ask(seen.terms, seen.quote)
    refused = check_halts(offer.halts, offer.group, seen.quote.symbol, True, now_ms) or seen.refused
    reason = refused.reason if refused else None
    return _show_quote(seen.quote, text(bid), text(ask), reason, seen.terms.hours, now_ms)


def _show_raw(quote: Quote, known: Catalogue, read: Market, halts: Iterable[Halt]) -> dict[str, Any]:
    """Of no group; what halts a group alone is not told here."""
    reason = None
    if check_halts(halts, "", quote.symbol, True, read.now_ms):
        reason = Reason.trading_halted
    elif not is_open(known.hours[quote.symbol], read.now_ms):
        reason = Reason.market_closed
    elif not pricing.is_sound(quote):
        reason = Reason.no_price
    elif pricing.is_stale(quote, known.price_age_ms[quote.symbol], read.now_ms):
        reason = Reason.stale_price
    return _show_quote(quote, text(quote.bid), text(quote.ask), reason, known.hours[quote.symbol], read.now_ms)


def _show_quote(
    quote: Quote, bid: str, ask: str, reason: Reason | None, hours: TradingHours, now_ms: int
) -> dict[str, Any]:
    return {
        "symbol": quote.symbol,
        "bid": bid,
        "ask": ask,
        "at": show_time(quote.stamp_ms),
        "age_ms": now_ms - quote.stamp_ms,
        "tradable": reason is None,
        "reason": reason.name if reason else None,
        "opens_at": _opens_at(hours, now_ms) if reason is Reason.market_closed else None,
    }


def _show_instrument(row: Instrument) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "description": row.description,
        "class": row.instrument_class,
        "digits": row.digits,
        "tick": text(row.tick),
        "contract_size": text(row.contract_size),
        "base_currency": row.base_currency_id,
        "profit_currency": row.profit_currency_id,
        "margin_currency": row.margin_currency_id,
        "lot_min": text(row.lot_min),
        "lot_max": text(row.lot_max),
        "lot_step": text(row.lot_step),
        "price_age_ms": row.price_age_ms,
        "time_zone": row.time_zone,
        "trading_hours": write_hours(row.sessions),
    }


def _show_hours(hours: TradingHours, is_open_now: bool, now_ms: int) -> dict[str, Any]:
    return {"market_open": is_open_now, "opens_at": None if is_open_now else _opens_at(hours, now_ms)}


def _opens_at(hours: TradingHours, now_ms: int) -> str | None:
    return show_time(next_open_ms(hours, now_ms) or 0)


def _show_any(row: Instrument, hours: TradingHours, now_ms: int) -> dict[str, Any]:
    return {**_show_instrument(row), **_show_hours(hours, is_open(hours, now_ms), now_ms)}


def _show_offer(row: Instrument, terms: Terms, now_ms: int) -> dict[str, Any]:
    return {
        **_show_instrument(row),
        "lot_min": text(terms.lot_min),
        "lot_max": text(terms.lot_max),
        **_show_hours(terms.hours, market_open(terms, now_ms), now_ms),
        "spread_points": text(terms.spread_points),
        "point": text(terms.spread_point),
        "stops_level": text(terms.stops_level),
        "margin_factor": text(terms.margin_factor),
        "margin_rate": None if terms.margin_rate is None else text(terms.margin_rate),
        "commission": {
            "kind": terms.commission.kind,
            "rate": text(terms.commission.rate),
            "timing": terms.commission.timing,
        },
    }
