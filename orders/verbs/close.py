"""Close an open order, in part or whole, and close all of an account's. A close meets no margin gate."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import OrderId, digest
from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_order
from orders.book.account import Changes, changed
from orders.messages import CloseAll, CloseOrder, Done
from orders.rules import admission, halts, pricing
from orders.rules.facts import Order, Quote
from orders.settlement import settle
from orders.venues import venue_for
from orders.verbs.attempt import Decision, Gathered, Needs, Prices, attempt, first_refusal, order_of
from orders.verbs.measure import measured


def close(command: CloseOrder) -> Done | Rejection:
    return attempt(command, lambda gathered: _decide(command, gathered), Needs(orders=(command.order_id,)))


def close_all(command: CloseAll) -> Done | Rejection:
    """Which orders is settled by a commit of its own; then one close an order, each with a key derived from this one's.

    So the same key means the same orders, and sending it again closes what the first time could not.
    """
    symbols = (command.symbol,) if command.symbol else ()
    needs = Needs(all_orders=True, symbols=symbols, prices=False)
    listed = attempt(command, lambda gathered: _list(command, gathered), needs)
    if isinstance(listed, Rejection):
        return listed
    return replace(listed, answer={"results": [_result(command, order_id) for order_id in listed.answer["order_ids"]]})


def open_position(gathered: Gathered, wanted: str) -> Order | Rejection:
    order = order_of(gathered, wanted)
    if isinstance(order, Rejection) or order.status == "OPEN":
        return order
    return Rejection(Reason.order_not_open, f"Order {wanted} is {order.status}.")


def close_at(
    gathered: Gathered, order: Order, lots: Decimal, price: Decimal, reason: str, *, fired: Quote | None = None
) -> Decision | Rejection:
    """The order closed by `lots` at the client's `price`, as its stamped flow says; `fired` is what touched a level."""
    venue = venue_for(order.flow)
    if isinstance(venue, Rejection):
        return venue
    report = venue.execute(order, "out", lots, price, gathered.at_ms)
    settled = settle(gathered.state.portfolio, order, report, gathered.desk)
    if isinstance(settled, Rejection):
        return settled
    ended = settled.order.status == "CLOSED"
    after = replace(settled.order, version=gathered.next_version, reason=reason if ended else order.reason)
    return Decision(
        Changes(changed(settled.portfolio), changed=(after,), deals=settled.deals, transfers=settled.transfers),
        {"order": show_order(after)},
        Prices((order.symbol,), fired=fired),
    )


def _decide(command: CloseOrder, gathered: Gathered) -> Decision | Rejection:
    order = open_position(gathered, command.order_id)
    if isinstance(order, Rejection):
        return order
    desk, terms = gathered.desk, gathered.desk.terms[order.symbol]
    lots = order.open_lots if command.lots is None else command.lots
    quote = pricing.usable_quote(terms, desk.market)
    if refused := first_refusal(
        lambda: admission.check_rest(terms, order.open_lots, lots),
        lambda: admission.check_status(desk.config.status, False, command.staff),
        lambda: halts.check_halts(gathered.state.halts, desk.group.name, order.symbol, False, gathered.at_ms),
        lambda: quote if isinstance(quote, Rejection) else None,
    ):
        return refused
    assert not isinstance(quote, Rejection)
    return close_at(gathered, order, lots, pricing.closing_price(terms, quote, order.side), "closed")


def _list(command: CloseAll, gathered: Gathered) -> Decision | Rejection:
    if refused := admission.check_status(gathered.desk.config.status, False, command.staff):
        return refused
    if command.symbol and command.symbol not in gathered.desk.terms:
        return admission.not_offered(gathered.desk.group.name, command.symbol)
    live = sorted(gathered.state.orders.values(), key=lambda order: order.order_id)
    wanted = [o.order_id for o in live if o.status == "OPEN" and command.symbol in (None, o.symbol)]
    return Decision(Changes(changed(gathered.state.portfolio)), {"order_ids": wanted})


def _close_one(command: CloseAll, order_id: str) -> CloseOrder:
    return CloseOrder(
        account=command.account,
        principal=command.principal,
        staff=command.staff,
        reason=command.reason,
        key=digest(command.verb, command.key, order_id),
        order_id=OrderId(order_id),
    )


def _result(command: CloseAll, order_id: str) -> dict[str, Any]:
    """What became of one order. Others may be closed by now, so nothing that goes wrong here speaks for all."""
    try:
        outcome = measured(close, _close_one(command, order_id))
    except OutcomeUnknown as error:
        return {"ok": False, "order_id": order_id, "reason": Reason.outcome_unknown.name, "detail": str(error)}
    except LedgerUnavailable as error:
        outcome = Rejection(Reason.ledger_unavailable, str(error))
    if isinstance(outcome, Rejection):
        return {"ok": False, "order_id": order_id, "reason": outcome.reason.name, "detail": outcome.detail}
    return {"ok": True, "order_id": order_id, "order": outcome.answer["order"]}
