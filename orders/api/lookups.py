"""GET: one order and one account, from the book while it has them, so that what was just acknowledged is there."""

from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import ORDER_NOT_FOUND
from accounts.api.base import ApiView, principal
from accounts.api.problems import Refused
from copytrading.kernel import decimals
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef, account_of
from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_order, show_time
from orders.api.commands import account_in_path
from orders.api.permission import require
from orders.book.account import NotInBook, load
from orders.book.record import recorded_order
from orders.rules.facts import Order, Valuation
from orders.verbs.admit import measure
from orders.verbs.attempt import Gathered, Needs, gather


class OneOrder(ApiView):
    """An order the principal may see, live or long ended."""

    def get(self, request: Request, order_id: str) -> Response:
        account = account_of(order_id)
        if account is None:
            raise Refused(ORDER_NOT_FOUND)
        try:
            require(principal(request), "view", account)
        except Refused as refused:
            hidden = refused.rejection.reason is Reason.account_not_found
            raise (Refused(ORDER_NOT_FOUND) if hidden else refused) from None
        order = _in_book(account, order_id) or recorded_order(order_id)
        if order is None:
            raise Refused(ORDER_NOT_FOUND)
        return Response({"ok": True, "order": show_order(order)})


class OneAccount(ApiView):
    """An account's money, margins and live orders, valued at the closing prices of now."""

    def get(self, request: Request, user_type: str, user_id: str) -> Response:
        account = account_in_path(user_type, user_id)
        require(principal(request), "view", account)
        gathered, worth = _valued(account)
        orders = sorted(gathered.state.orders.values(), key=lambda order: (order.created_at_ms, order.order_id))
        return Response(
            {"ok": True, "account": _show_account(gathered, worth), "orders": [show_order(order) for order in orders]}
        )


def _in_book(account: AccountRef, order_id: str) -> Order | None:
    try:
        return load(account, (order_id,)).orders.get(order_id)
    except NotInBook:
        return None


def _valued(account: AccountRef) -> tuple[Gathered, Valuation | Rejection]:
    """What the book holds, and what it is worth; without the prices it takes, why there is no worth."""
    gathered = _gathered(account, prices=True)
    if isinstance(gathered, Gathered):
        return gathered, measure(gathered.state.portfolio, gathered.desk)
    if gathered.reason is not Reason.no_price:
        raise Refused(gathered)
    unpriced = _gathered(account, prices=False)
    if isinstance(unpriced, Rejection):
        raise Refused(unpriced)
    return unpriced, gathered


def _gathered(account: AccountRef, *, prices: bool) -> Gathered | Rejection:
    gathered = gather(account, "", Needs(all_orders=True, prices=prices))
    if isinstance(gathered, Gathered | Rejection):
        return gathered
    raise InvariantBroken(f"{account}: a look without a command found a stored answer; report this with the request")


def _show_account(gathered: Gathered, worth: Valuation | Rejection) -> dict[str, Any]:
    state, digits = gathered.state, gathered.desk.digits
    portfolio, config = state.portfolio, state.config
    return {
        "user_type": state.account.kind,
        "user_id": state.account.id,
        "group": config.group,
        "leverage": config.leverage,
        "currency": config.currency,
        "status": config.status,
        "sending_orders": config.sending_orders,
        "balance": decimals.text(portfolio.balance),
        "credit": decimals.text(portfolio.credit),
        "used_margin": decimals.text(portfolio.used_margin),
        "reserved_margin": decimals.text(portfolio.reserved_margin),
        **_show_worth(worth, digits),
        "version": portfolio.version,
        "as_of": show_time(gathered.at_ms),
    }


def _show_worth(worth: Valuation | Rejection, digits: int) -> dict[str, Any]:
    """Never a guess: without prices these are null and `unpriced` says why. A level without margin is null as well."""
    if isinstance(worth, Rejection):
        unknown = dict.fromkeys(("equity", "floating_profit", "free_margin", "margin_level"))
        return {**unknown, "unpriced": worth.reason.name}
    return {
        "equity": _money(worth.equity, digits),
        "floating_profit": _money(worth.floating, digits),
        "free_margin": _money(worth.free_margin, digits),
        "margin_level": None if worth.level is None else _money(worth.level, 2),
        "unpriced": None,
    }


def _money(amount: Decimal, digits: int) -> str:
    return decimals.text(decimals.money(amount, digits))
