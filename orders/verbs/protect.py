"""Set, replace or cancel an order's stop loss or take profit. One is taken away even while the market is closed."""

from dataclasses import replace
from decimal import Decimal

from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_order
from orders.book.account import Changes, changed
from orders.messages import Done, Protect
from orders.rules import admission, halts, levels, pricing
from orders.rules.facts import Order
from orders.rules.lifecycle import next_status
from orders.venues import venue_for
from orders.verbs.attempt import Decision, Gathered, Needs, Prices, attempt, first_refusal, order_of


def protect(command: Protect) -> Done | Rejection:
    needs = Needs(orders=(command.order_id,), prices=command.level is not None)
    return attempt(command, lambda gathered: _decide(command, gathered), needs)


def _decide(command: Protect, gathered: Gathered) -> Decision | Rejection:
    order = order_of(gathered, command.order_id)
    if isinstance(order, Rejection):
        return order
    if order.status not in ("OPEN", "PENDING"):
        return Rejection(Reason.order_not_open, f"Order {command.order_id} is {order.status}.")
    venue = venue_for(order.flow)
    if refused := first_refusal(
        lambda: venue if isinstance(venue, Rejection) else None,
        lambda: admission.check_status(gathered.desk.config.status, False, command.staff),
        lambda: _check_level(command, order, gathered),
    ):
        return refused
    after = replace(
        _with_level(order, command.kind, command.level, gathered.at_ms),
        status=next_status(order.status, "protected"),
        version=gathered.next_version,
    )
    return Decision(
        Changes(changed(gathered.state.portfolio), changed=(after,)),
        {"order": show_order(after)},
        Prices() if command.level is None else Prices((order.symbol,), converted=False),
    )


def _check_level(command: Protect, order: Order, gathered: Gathered) -> Rejection | None:
    current = order.stop_loss if command.kind == "stop_loss" else order.take_profit
    if command.level is None:
        if current is not None:
            return None
        return Rejection(Reason.stop_not_set, f"Order {order.order_id} has no {command.kind.replace('_', ' ')}.")
    desk, terms = gathered.desk, gathered.desk.terms[order.symbol]
    if halted := halts.check_halts(gathered.state.halts, desk.group.name, order.symbol, False, gathered.at_ms):
        return halted
    quote = pricing.usable_quote(terms, desk.market)
    if isinstance(quote, Rejection):
        return quote
    reference = pricing.closing_price(terms, quote, order.side)
    if order.status == "PENDING" and order.order_price is not None:
        reference = order.order_price
    stop, take = (command.level, None) if command.kind == "stop_loss" else (None, command.level)
    return levels.check_levels(terms, order.side, reference, stop, take)


def _with_level(order: Order, kind: str, level: Decimal | None, at_ms: int) -> Order:
    if kind == "stop_loss":
        return replace(order, stop_loss=level, stop_version=order.stop_version + 1, stop_since_ms=at_ms)
    return replace(order, take_profit=level, take_version=order.take_version + 1, take_since_ms=at_ms)
