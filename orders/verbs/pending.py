"""Place, modify and cancel an order that rests until its price is touched."""

from dataclasses import replace

from copytrading.kernel.ids import order_id
from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_order
from orders.book.account import Changes, changed
from orders.messages import CancelPending, Done, ModifyPending, PlacePending
from orders.rules import admission, levels, pricing
from orders.rules.facts import Flow, Order, side_of
from orders.rules.lifecycle import next_status
from orders.venues import venue_for
from orders.verbs.admit import admit_resting, check_birth, check_opening
from orders.verbs.attempt import Decision, Gathered, Needs, Prices, attempt, first_refusal, order_of


def place(command: PlacePending) -> Done | Rejection:
    return attempt(command, lambda gathered: _place(command, gathered), Needs(symbols=(command.symbol,)))


def modify(command: ModifyPending) -> Done | Rejection:
    return attempt(command, lambda gathered: _modify(command, gathered), Needs(orders=(command.order_id,)))


def cancel(command: CancelPending) -> Done | Rejection:
    needs = Needs(orders=(command.order_id,), prices=False)
    return attempt(command, lambda gathered: _cancel(command, gathered), needs)


def cancelled(order: Order, reason: str, version: int, at_ms: int) -> Order:
    status = next_status(order.status, "cancelled")
    none_left = replace(order, leaves_lots=order.leaves_lots - order.leaves_lots)
    return replace(none_left, status=status, reason=reason, closed_at_ms=at_ms, version=version)


def resting(gathered: Gathered, wanted: str) -> Order | Rejection:
    order = order_of(gathered, wanted)
    if isinstance(order, Rejection) or order.status == "PENDING":
        return order
    return Rejection(Reason.order_not_pending, f"Order {wanted} is {order.status}.")


def _place(command: PlacePending, gathered: Gathered) -> Decision | Rejection:
    stamped = check_birth(command.symbol, command.lots, command.sending_orders, command.staff, gathered)
    if isinstance(stamped, Rejection):
        return stamped
    order = _born(command, gathered, stamped)
    if refused := _check_resting(order, gathered):
        return refused
    return Decision(
        Changes(changed(gathered.state.portfolio), born=(order,)),
        {"order": show_order(order)},
        Prices((command.symbol, *gathered.state.portfolio.exposures), opened=command.symbol),
        note="" if command.sending_orders is None else f"sending_orders={command.sending_orders}",
    )


def _modify(command: ModifyPending, gathered: Gathered) -> Decision | Rejection:
    order = resting(gathered, command.order_id)
    if isinstance(order, Rejection):
        return order
    after = _modified(order, command, gathered)
    if refused := first_refusal(
        lambda: admission.check_lots(gathered.desk.terms[order.symbol], after.lots),
        lambda: check_opening(order.symbol, command.staff, gathered),
        lambda: _check_resting(after, gathered),
    ):
        return refused
    return Decision(
        Changes(changed(gathered.state.portfolio), changed=(after,)),
        {"order": show_order(after)},
        Prices((order.symbol, *gathered.state.portfolio.exposures), opened=order.symbol),
    )


def _cancel(command: CancelPending, gathered: Gathered) -> Decision | Rejection:
    order = resting(gathered, command.order_id)
    if isinstance(order, Rejection):
        return order
    venue = venue_for(order.flow)
    if isinstance(venue, Rejection):
        return venue
    expires = 0 < order.expires_at_ms <= gathered.at_ms
    if command.because == "expired" and not expires:
        return Rejection(Reason.stop_not_set, f"Order {order.order_id} has another expiry by now.")
    if refused := admission.check_status(gathered.desk.config.status, False, command.staff):
        return refused
    after = cancelled(order, command.because or "cancelled", gathered.next_version, gathered.at_ms)
    return Decision(Changes(changed(gathered.state.portfolio), changed=(after,)), {"order": show_order(after)})


def _check_resting(order: Order, gathered: Gathered) -> Rejection | None:
    """Price side, levels, expiry, venue and margin of a resting order as it is to be."""
    desk, price = gathered.desk, order.order_price
    terms = desk.terms[order.symbol]
    quote = pricing.usable_quote(terms, desk.market)
    venue = venue_for(order.flow)
    if isinstance(quote, Rejection):
        return quote
    if price is None:
        return Rejection(Reason.missing_fields, "A pending order needs a price.", {"order_price": "Give the price."})
    return first_refusal(
        lambda: levels.check_pending_price(terms, quote, order.order_type, price),
        lambda: levels.check_levels(terms, order.side, price, order.stop_loss, order.take_profit),
        lambda: _check_expiry(order.expires_at_ms, gathered.at_ms),
        lambda: venue if isinstance(venue, Rejection) else None,
        lambda: admit_resting(gathered.state.portfolio, order, desk),
    )


def _check_expiry(expires_at_ms: int, now_ms: int) -> Rejection | None:
    if not expires_at_ms or expires_at_ms > now_ms:
        return None
    return Rejection(Reason.invalid_fields, "The expiry has passed.", {"expires_at": "Give a time to come."})


def _born(command: PlacePending, gathered: Gathered, stamped: Flow) -> Order:
    return Order(
        order_id=order_id(command.account, f"{gathered.command_id}:{gathered.next_version}"),
        account=str(command.account),
        symbol=command.symbol,
        order_type=command.order_type,
        side=side_of(command.order_type),
        status=next_status(None, "placed"),
        flow=stamped,
        lots=command.lots,
        leaves_lots=command.lots,
        order_price=command.order_price,
        price_version=1,
        price_since_ms=gathered.at_ms,
        stop_loss=command.stop_loss,
        stop_version=1 if command.stop_loss is not None else 0,
        take_profit=command.take_profit,
        take_version=1 if command.take_profit is not None else 0,
        expires_at_ms=command.expires_at_ms,
        principal=command.principal,
        created_at_ms=gathered.at_ms,
        version=gathered.next_version,
    )


def _modified(order: Order, command: ModifyPending, gathered: Gathered) -> Order:
    """Each setting that changes gets a new number, so that a hint to the old one fires nothing."""
    lots = order.lots if command.lots is None else command.lots
    return replace(
        order,
        status=next_status(order.status, "modified"),
        lots=lots,
        leaves_lots=lots,
        order_price=order.order_price if command.order_price is None else command.order_price,
        price_version=order.price_version + 1,
        price_since_ms=gathered.at_ms,
        stop_loss=order.stop_loss if command.stop_loss is None else command.stop_loss,
        stop_version=order.stop_version + (command.stop_loss is not None),
        take_profit=order.take_profit if command.take_profit is None else command.take_profit,
        take_version=order.take_version + (command.take_profit is not None),
        expires_at_ms=order.expires_at_ms if command.expires_at_ms is None else command.expires_at_ms,
        version=gathered.next_version,
    )
