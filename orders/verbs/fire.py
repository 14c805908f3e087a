"""A level was touched: a resting order opens, a stop loss or take profit closes. Asked by monitors only.

A rejection here means "not now" or "no longer": the monitor drops a hint whose setting is gone and
keeps one that has to wait for a price.
"""

from dataclasses import replace
from decimal import Decimal

from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_order
from orders.book.account import Changes, changed
from orders.messages import Done, Fire, LevelKind
from orders.rules import halts, hours, levels, pricing
from orders.rules.facts import Desk, Order, Quote
from orders.venues import venue_for
from orders.verbs.admit import admit_fill
from orders.verbs.attempt import Decision, Gathered, Needs, Prices, attempt, met_flow
from orders.verbs.close import close_at
from orders.verbs.pending import cancelled


def fire(command: Fire) -> Done | Rejection:
    return attempt(command, lambda gathered: _decide(command, gathered), Needs(orders=(command.order_id,)))


def setting_of(order: Order, kind: LevelKind) -> tuple[int, int] | None:
    """(number, since) of the setting that is in force, None when there is nothing to fire."""
    if kind == "price":
        return (order.price_version, order.price_since_ms) if order.status == "PENDING" else None
    if order.status != "OPEN":
        return None
    if kind == "stop_loss":
        return (order.stop_version, order.stop_since_ms) if order.stop_loss is not None else None
    return (order.take_version, order.take_since_ms) if order.take_profit is not None else None


def _decide(command: Fire, gathered: Gathered) -> Decision | Rejection:
    order = gathered.state.orders.get(command.order_id)
    if order is None:
        return Rejection(Reason.order_not_found, f"{command.order_id} has left the book.")
    met_flow.set(order.flow)
    version, since_ms = setting_of(order, command.kind) or (None, 0)
    if version != command.level_version:
        return Rejection(Reason.stop_not_set, f"{command.kind} of {order.order_id} has another setting by now.")
    desk, fired = gathered.desk, command.quote
    terms = desk.terms[order.symbol]
    if not hours.market_open(terms, desk.market.now_ms):
        return Rejection(Reason.market_closed, f"The market of {order.symbol} is closed.")
    if not pricing.is_sound(fired) or pricing.is_stale(fired, terms.price_age_ms, desk.market.now_ms):
        return Rejection(Reason.stale_price, f"The quote that touched {order.order_id} is too old by now.")
    if fired.stamp_ms < since_ms or not _touched(order, command.kind, desk, fired):
        return Rejection(Reason.price_moved, f"That quote does not touch {command.kind} of {order.order_id}.")
    if command.kind == "price":
        return _open(order, fired, gathered)
    if halted := halts.check_halts(gathered.state.halts, desk.group.name, order.symbol, False, gathered.at_ms):
        return halted
    price = levels.trigger_closing_price(terms, order.side, fired, _latest(order, desk))
    return close_at(gathered, order, order.open_lots, price, command.kind, fired=fired)


def _open(order: Order, fired: Quote, gathered: Gathered) -> Decision | Rejection:
    desk, before = gathered.desk, gathered.state.portfolio
    if 0 < order.expires_at_ms <= gathered.at_ms:
        return _end(order, "expired", gathered)
    if halted := halts.check_halts(gathered.state.halts, desk.group.name, order.symbol, True, gathered.at_ms):
        return halted
    venue = venue_for(order.flow)
    if isinstance(venue, Rejection):
        return venue
    price = levels.trigger_opening_price(desk.terms[order.symbol], order.side, fired, _latest(order, desk))
    report = venue.execute(order, "in", order.leaves_lots, price, gathered.at_ms)
    settled = admit_fill(before, order, report, desk)
    if isinstance(settled, Rejection):
        ends = settled.reason is Reason.insufficient_margin  # whatever else was refused may pass: it waits
        return _end(order, settled.reason.name, gathered) if ends else settled
    # Its levels fire by whatever comes from the quote that filled it on, however late that quote was heard.
    since_ms = fired.stamp_ms
    after = replace(settled.order, version=gathered.next_version, stop_since_ms=since_ms, take_since_ms=since_ms)
    return Decision(
        Changes(changed(settled.portfolio), changed=(after,), deals=settled.deals, transfers=settled.transfers),
        {"order": show_order(after)},
        Prices((order.symbol, *before.exposures), opened=order.symbol, fired=fired),
    )


def _end(order: Order, reason: str, gathered: Gathered) -> Decision:
    after = cancelled(order, reason, gathered.next_version, gathered.at_ms)
    return Decision(Changes(changed(gathered.state.portfolio), changed=(after,)), {"order": show_order(after)})


def _touched(order: Order, kind: str, desk: Desk, fired: Quote) -> bool:
    """The monitor's look was a hint: whether the level is really touched is asked with the terms of this attempt."""
    terms = desk.terms[order.symbol]
    bid, ask = pricing.client_bid(terms, fired), pricing.client_ask(terms, fired)
    if kind == "price" and order.order_price is not None:
        return levels.pending_fires(order.order_type, order.order_price, bid, ask)
    if kind == "stop_loss" and order.stop_loss is not None:
        return levels.stop_loss_fires(order.side, order.stop_loss, bid, ask)
    if order.take_profit is None or _stop_touched(order, bid, ask):
        return False  # if both fire on one quote, the stop loss does
    return levels.take_profit_fires(order.side, order.take_profit, bid, ask)


def _stop_touched(order: Order, bid: Decimal, ask: Decimal) -> bool:
    return order.stop_loss is not None and levels.stop_loss_fires(order.side, order.stop_loss, bid, ask)


def _latest(order: Order, desk: Desk) -> Quote | None:
    """The newest quote, if it is good to fill with."""
    latest = pricing.usable_quote(desk.terms[order.symbol], desk.market)
    return None if isinstance(latest, Rejection) else latest
