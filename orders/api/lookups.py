"""GET: one order and one account, from the book while it has them, so that what was just acknowledged is there."""

from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import ORDER_NOT_FOUND
from accounts.api.base import ApiView, principal
from accounts.api.problems import Refused
from copytrading.kernel import decimals
from copytrading.kernel.ids import account_of
from copytrading.kernel.rejections import Reason, Rejection
from orders.answers import show_order, show_time
from orders.api.commands import account_in_path
from orders.api.permission import require
from orders.book.record import recorded_order
from orders.looking.account import live_orders, order_in_book, valued
from orders.rules.facts import Valuation
from orders.verbs.attempt import Gathered


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
        order = order_in_book(account, order_id) or recorded_order(order_id)
        if order is None:
            raise Refused(ORDER_NOT_FOUND)
        return Response({"ok": True, "order": show_order(order)})


class OneAccount(ApiView):
    """An account's money, margins and live orders, valued at the closing prices of now."""

    def get(self, request: Request, user_type: str, user_id: str) -> Response:
        account = account_in_path(user_type, user_id)
        require(principal(request), "view", account)
        seen = valued(account)
        if isinstance(seen, Rejection):
            raise Refused(seen)
        orders = [show_order(order) for order in live_orders(seen[0])]
        return Response({"ok": True, "account": _show_account(*seen), "orders": orders})


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
