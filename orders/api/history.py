"""GET: orders, their events, and deals, newest first, in pages."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import ORDER_NOT_FOUND, Principal
from accounts.api.base import ApiViewSet, principal
from accounts.api.problems import Refused
from accounts.api.schema import answers
from copytrading.kernel.decimals import text
from copytrading.kernel.ids import AccountRef, account_of
from orders.answers import show_deal, show_order, show_time, show_transfer
from orders.api import shapes
from orders.api.commands import account_in_path
from orders.api.permission import require_of_order
from orders.api.queries import (
    AccountOrdersQuery,
    DealsQuery,
    HistoryQuery,
    OrdersQuery,
    Query,
    accounts_for,
    asked_by,
    write_cursor,
)
from orders.book.record import recorded_order
from orders.looking import history
from orders.looking.account import order_in_book
from orders.recorder import Entry
from orders.rules.facts import Order, Quote


class Orders(ApiViewSet):
    """Orders the principal may see, live or long ended. `kind` is the only kind of account the path is for."""

    kind: str = ""

    @answers(shapes.OrderPage, OrdersQuery)
    def list(self, request: Request) -> Response:
        """Orders of an account, of all your accounts, or (staff) of all accounts, newest first."""
        query = asked_by(OrdersQuery, request)
        return _orders(query, accounts_for(principal(request), query.account))

    @answers(shapes.OrderPage, AccountOrdersQuery)
    def of_kind(self, request: Request, account_id: str) -> Response:
        """Orders of one account, newest first."""
        account = account_in_path(self.kind, account_id)
        accounts = accounts_for(principal(request), account)
        return _orders(asked_by(AccountOrdersQuery, request), accounts)

    @answers(shapes.OneOrder)
    def retrieve(self, request: Request, order_id: str) -> Response:
        """One order."""
        asked_by(Query, request)
        return Response({"ok": True, "order": show_order(_order(principal(request), order_id))})

    @answers(shapes.Events)
    def events(self, request: Request, order_id: str) -> Response:
        """What happened to an order, oldest first: each change with who asked for it and the order as it was then."""
        asked_by(Query, request)
        asker = principal(request)
        order = _order(asker, order_id)
        return Response({"ok": True, "events": [_show_event(entry, order, asker) for entry in history.events(order)]})


class Deals(ApiViewSet):
    """Fills."""

    @answers(shapes.DealPage, DealsQuery)
    def list(self, request: Request) -> Response:
        """Deals of an account, of all your accounts, or (staff) of all accounts, newest first."""
        query, asker = asked_by(DealsQuery, request), principal(request)
        accounts, wanted = accounts_for(asker, query.account), query.wanted()
        if wanted.order_id:
            require_of_order(asker, "view", _account_of(wanted.order_id))
            accounts = accounts if query.account else (_account_of(wanted.order_id),)
        page = history.deals(accounts, wanted, query.asked.get("cursor"), query.limit_asked)
        rows = [show_deal(line.account, line.version, line.line, line.told) for line in page.rows]
        return Response({"ok": True, "deals": rows, "next_cursor": next_cursor(page, lambda line: line.place)})


def next_cursor(page: history.Page[Any], place: Any) -> str | None:
    return write_cursor(place(page.rows[-1])) if page.more else None


def _orders(query: HistoryQuery, accounts: history.Accounts) -> Response:
    page = history.orders(accounts, query.wanted(), query.asked.get("cursor"), query.limit_asked)
    rows = [show_order(order) for order in page.rows]
    return Response({"ok": True, "orders": rows, "next_cursor": next_cursor(page, history.place_of_order)})


def _account_of(order_id: str) -> AccountRef:
    account = account_of(order_id)
    if account is None:
        raise Refused(ORDER_NOT_FOUND)
    return account


def _order(asker: Principal, order_id: str) -> Order:
    account = _account_of(order_id)
    require_of_order(asker, "view", account)
    order = order_in_book(account, order_id) or recorded_order(order_id)
    if order is None:
        raise Refused(ORDER_NOT_FOUND)
    return order


def _show_event(entry: Entry, order: Order, asker: Principal) -> dict[str, Any]:
    """Raw prices, who else acted and why are told to staff; others learn whether it was a user, a key or the system."""
    own = entry.principal in (asker.name, f"user:{asker.user_id}") or entry.principal.startswith("system:")
    told = asker.looks_everywhere
    deals = [deal for deal in enumerate(entry.deals) if deal[1].order_id == order.order_id]
    return {
        "version": entry.version,
        "at": show_time(entry.at_ms),
        "event": entry.verb,
        "by": entry.principal if own or told else entry.principal.partition(":")[0],
        "note": entry.note if told else "",
        "command_id": entry.command_id,
        "order": show_order(next(each for each in entry.orders if each.order_id == order.order_id)),
        "deals": [show_deal(entry.account, entry.version, line, deal) for line, deal in deals],
        "transfers": [show_transfer(each) for each in entry.transfers if each.order_id == order.order_id],
        "quotes": [_show_quote(quote) for quote in entry.quotes()] if told else [],
    }


def _show_quote(quote: Quote) -> dict[str, Any]:
    return {"symbol": quote.symbol, "bid": text(quote.bid), "ask": text(quote.ask), "at": show_time(quote.stamp_ms)}
