"""Open an order at the market."""

from dataclasses import replace
from decimal import Decimal

from copytrading.kernel.decimals import text
from copytrading.kernel.ids import order_id
from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_order
from orders.book.account import Changes, changed
from orders.messages import Done, OpenOrder
from orders.rules import levels, pricing
from orders.rules.facts import Flow, Order, side_of
from orders.venues import venue_for
from orders.verbs.admit import admit_fill, check_birth
from orders.verbs.attempt import Decision, Gathered, Needs, Prices, attempt, first_refusal


def open_order(command: OpenOrder) -> Done | Rejection:
    return attempt(command, lambda gathered: _decide(command, gathered), Needs(symbols=(command.symbol,)))


def _decide(command: OpenOrder, gathered: Gathered) -> Decision | Rejection:
    desk, before = gathered.desk, gathered.state.portfolio
    stamped = check_birth(command.symbol, command.lots, command.sending_orders, command.staff, gathered)
    if isinstance(stamped, Rejection):
        return stamped
    terms, side = desk.terms[command.symbol], side_of(command.order_type)
    quote = pricing.usable_quote(terms, desk.market)
    if isinstance(quote, Rejection):
        return quote
    price, closing = pricing.opening_price(terms, quote, side), pricing.closing_price(terms, quote, side)
    venue = venue_for(stamped)
    if refused := first_refusal(
        lambda: levels.check_levels(terms, side, closing, command.stop_loss, command.take_profit),
        lambda: _check_deviation(command, gathered, price),
        lambda: venue if isinstance(venue, Rejection) else None,
    ):
        return refused
    assert not isinstance(venue, Rejection)
    order = _born(command, gathered, stamped)
    settled = admit_fill(before, order, venue.execute(order, "in", command.lots, price, gathered.at_ms), desk)
    if isinstance(settled, Rejection):
        return settled
    opened = replace(settled.order, version=gathered.next_version)
    return Decision(
        Changes(changed(settled.portfolio), born=(opened,), deals=settled.deals, transfers=settled.transfers),
        {"order": show_order(opened)},
        Prices((command.symbol, *before.exposures), opened=command.symbol),
        note="" if command.sending_orders is None else f"sending_orders={command.sending_orders}",
    )


def _born(command: OpenOrder, gathered: Gathered, stamped: Flow) -> Order:
    return Order(
        order_id=order_id(command.account, f"{gathered.command_id}:{gathered.next_version}"),
        account=str(command.account),
        symbol=command.symbol,
        order_type=command.order_type,
        side=side_of(command.order_type),
        status="QUEUED",
        flow=stamped,
        lots=command.lots,
        leaves_lots=command.lots,
        order_price=command.order_price,
        stop_loss=command.stop_loss,
        stop_version=1 if command.stop_loss is not None else 0,
        stop_since_ms=gathered.at_ms,
        take_profit=command.take_profit,
        take_version=1 if command.take_profit is not None else 0,
        take_since_ms=gathered.at_ms,
        principal=command.principal,
        created_at_ms=gathered.at_ms,
    )


def _check_deviation(command: OpenOrder, gathered: Gathered, price: Decimal) -> Rejection | None:
    if command.order_price is None or command.max_deviation_points is None:
        return None
    terms, side = gathered.desk.terms[command.symbol], side_of(command.order_type)
    if not pricing.price_moved(terms, side, command.order_price, command.max_deviation_points, price):
        return None
    detail = f"The price is {text(price)}, asked was {text(command.order_price)}."
    return Rejection(Reason.price_moved, detail, facts={"price": text(price)})
