"""Resting prices, stop losses and take profits: where they may stand, when they fire, at what price they fill.

Every price here is the client's, markup included. A distance is `stops_level` points.
"""

from decimal import Decimal
from typing import Final

from accounts.terms import Terms
from copytrading.kernel.decimals import ZERO, is_multiple, text
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import OrderType, Quote, Side, opposite, side_of
from orders.rules.pricing import client_ask, client_bid, is_sound, opening_price

#: The types that rest below the market and fire when it comes down to them; the others rest above.
_RESTS_BELOW: Final[dict[OrderType, bool]] = {
    "BUY_LIMIT": True,
    "SELL_STOP": True,
    "SELL_LIMIT": False,
    "BUY_STOP": False,
}


def pending_fires(order_type: OrderType, price: Decimal, bid: Decimal, ask: Decimal) -> bool:
    """Whether a resting order fires on the client's bid and ask. A BUY looks at the ask, a SELL at the bid."""
    market = ask if side_of(order_type) == "BUY" else bid
    return market <= price if _rests_below(order_type) else market >= price


def stop_loss_fires(side: Side, level: Decimal, bid: Decimal, ask: Decimal) -> bool:
    """Whether an open order's stop loss fires. It goes before a take profit that fires on the same quote."""
    return bid <= level if side == "BUY" else ask >= level


def take_profit_fires(side: Side, level: Decimal, bid: Decimal, ask: Decimal) -> bool:
    """Whether an open order's take profit fires."""
    return bid >= level if side == "BUY" else ask <= level


def trigger_opening_price(terms: Terms, side: Side, fired: Quote, latest: Quote | None) -> Decimal:
    """What a resting order of `side` is filled at: the price of the quote that fired it, or a newer one if better."""
    price = opening_price(terms, fired, side)
    if latest is None or not is_sound(latest) or not _is_newer(latest, fired):
        return price
    newer = opening_price(terms, latest, side)
    return min(price, newer) if side == "BUY" else max(price, newer)


def trigger_closing_price(terms: Terms, side: Side, fired: Quote, latest: Quote | None) -> Decimal:
    """What an open order of `side` is closed at by its stop loss or take profit."""
    return trigger_opening_price(terms, opposite(side), fired, latest)


def check_pending_price(terms: Terms, quote: Quote, order_type: OrderType, price: Decimal) -> Rejection | None:
    """Whether an order may rest at `price`: on the side its type needs, and far enough from the market."""
    fault = _check_tick(terms, "order_price", price)
    if fault is not None:
        return fault
    market = client_ask(terms, quote) if side_of(order_type) == "BUY" else client_bid(terms, quote)
    below = _rests_below(order_type)
    return _check_distance(terms, Reason.invalid_price_side, "order_price", price, market, below=below)


def check_levels(
    terms: Terms, side: Side, reference: Decimal, stop_loss: Decimal | None, take_profit: Decimal | None
) -> Rejection | None:
    """Whether the levels lie beyond `reference`, far enough. None is a level not set.

    The reference of an open order, or of one about to be opened at market, is the client's closing
    price of now; that of a resting order is its own price.
    """
    buys = side == "BUY"
    checks = (
        ("stop_loss", stop_loss, Reason.invalid_stop_loss, buys),
        ("take_profit", take_profit, Reason.invalid_take_profit, not buys),
    )
    for name, level, _, _ in checks:
        fault = None if level is None else _check_tick(terms, name, level)
        if fault is not None:
            return fault
    for name, level, reason, below in checks:
        fault = None if level is None else _check_distance(terms, reason, name, level, reference, below=below)
        if fault is not None:
            return fault
    return None


def _rests_below(order_type: OrderType) -> bool:
    if order_type not in _RESTS_BELOW:
        raise InvariantBroken(f"a {order_type} order does not rest; ask for the market price instead")
    return _RESTS_BELOW[order_type]


def _is_newer(quote: Quote, other: Quote) -> bool:
    # By stamp first: another feed may have begun its sequence anew.
    return (quote.stamp_ms, quote.sequence) > (other.stamp_ms, other.sequence)


def _check_tick(terms: Terms, name: str, price: Decimal) -> Rejection | None:
    if price > ZERO and is_multiple(price, terms.tick):
        return None
    tick = text(terms.tick)
    advice = f"Use a positive multiple of {tick}."
    return Rejection(Reason.invalid_fields, f"{name} is no price of {terms.symbol}.", {name: advice}, {"tick": tick})


def _check_distance(
    terms: Terms, reason: Reason, name: str, price: Decimal, reference: Decimal, *, below: bool
) -> Rejection | None:
    room = reference - price if below else price - reference
    distance = terms.stops_level * terms.spread_point
    if room > ZERO and room >= distance:
        return None
    where = f"{'below' if below else 'above'} {text(reference)}"
    advice = f"Put it {where} by at least {text(distance)}." if distance else f"Put it {where}."
    facts = {"reference": text(reference), "distance": text(distance)}
    return Rejection(reason, f"{name} {text(price)} is not {where}, or too near.", {name: advice}, facts)
