"""GET: accounts as the book has them now, and the movements of their money; POST: money, by dealers."""

from decimal import Decimal
from typing import Any

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Principal
from accounts.api.base import ApiViewSet, principal
from accounts.api.problems import Refused
from accounts.api.schema import answers
from accounts.models import rows_of
from copytrading.kernel import decimals, ids
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Rejection
from orders.answers import show_order, show_time, show_transfer
from orders.api import bodies, shapes
from orders.api.commands import Commands, account_in_path
from orders.api.history import next_cursor
from orders.api.permission import require, require_reading
from orders.api.queries import AccountsQuery, Query, TransfersQuery, accounts_for, asked_by, write_cursor
from orders.looking import history
from orders.looking.account import live_orders, valued
from orders.looking.history import Line
from orders.rules.facts import Transfer, Valuation
from orders.verbs.attempt import Gathered


class Accounts(ApiViewSet):
    """Money, margins and live orders, valued at the closing prices of now."""

    @answers(shapes.AccountPage, AccountsQuery)
    def list(self, request: Request) -> Response:
        """Your accounts, or (staff) all accounts, with their money of now."""
        query = asked_by(AccountsQuery, request)
        found = _listed(principal(request), query)
        rows, more = found[: query.limit_asked], len(found) > query.limit_asked
        last = (rows[-1].kind, rows[-1].id) if more else None
        shown = [_show(account) for account in rows]
        if status := query.asked.get("status"):
            shown = [account for account in shown if account["status"] == status]
        return Response({"ok": True, "accounts": shown, "next_cursor": write_cursor(last) if last else None})

    @answers(shapes.OneAccount)
    def retrieve(self, request: Request, user_type: str, user_id: str) -> Response:
        """One account with its live orders."""
        asked_by(Query, request)
        account = account_in_path(user_type, user_id)
        require(principal(request), "view", account)
        seen = valued(account)
        if isinstance(seen, Rejection):
            raise Refused(seen)
        orders = [show_order(order) for order in live_orders(seen[0])]
        return Response({"ok": True, "account": _show_account(*seen), "orders": orders})


class Transfers(Commands):
    """What moved an account's money: deposits, withdrawals, profit, commission and all others."""

    body = bodies.given_by_path(bodies.Move, "MoveMoney", "user_type", "user_id")
    needs = "dealer"
    answer = shapes.Moved
    done_status = 201

    @answers(shapes.TransferPage, TransfersQuery)
    def list(self, request: Request, user_type: str, user_id: str) -> Response:
        """Movements of an account's money, newest first."""
        accounts = accounts_for(principal(request), account_in_path(user_type, user_id))
        query = asked_by(TransfersQuery, request)
        page = history.transfers(accounts, query.wanted(), query.asked.get("cursor"), query.limit_asked)
        rows = [_show_line(line) for line in page.rows]
        return Response({"ok": True, "transfers": rows, "next_cursor": next_cursor(page, lambda line: line.place)})


def _listed(asker: Principal, query: AccountsQuery) -> list[AccountRef]:
    """One more than asked for, if there are so many. By kind, then id.

    A status that was asked for is looked at in the book; here it spares accounts that can't have it.
    """
    require_reading(asker)
    news = history.announced() if asker.looks_everywhere and "status" in query.asked else []
    kind_after, id_after = query.asked.get("cursor", ("", 0))
    kinds = list(ids.KINDS)
    found: list[AccountRef] = []
    for kind in kinds[kinds.index(kind_after) if kind_after else 0 :]:
        if kind != query.asked.get("user_type", kind):
            continue
        rows = rows_of(kind).filter(pk__gt=id_after if kind == kind_after else 0).order_by("pk")
        if not asker.looks_everywhere:
            rows = rows.filter(owner_id=asker.user_id)
        elif status := query.asked.get("status"):
            changed = [account.id for account in news if account.kind == kind]
            rows = rows.filter(Q(status=status) | Q(pk__in=changed))
        wanted = query.limit_asked + 1 - len(found)
        found.extend(AccountRef(kind, pk) for pk in rows.values_list("pk", flat=True)[:wanted])
    return found


def _show(account: AccountRef) -> dict[str, Any]:
    seen = valued(account)
    if isinstance(seen, Rejection):
        raise Refused(seen)
    return _show_account(*seen)


def _show_account(gathered: Gathered, worth: Valuation | Rejection) -> dict[str, Any]:
    state, digits = gathered.state, gathered.desk.digits
    portfolio, config = state.portfolio, state.config
    return {
        "user_type": state.account.kind,
        "user_id": state.account.id,
        "account_number": state.account.number,
        "group": config.group,
        "leverage": config.leverage,
        "currency": config.currency,
        "status": config.status,
        "sending_orders": config.sending_orders,
        "margin_called": portfolio.margin_called,
        "balance": decimals.text(portfolio.balance),
        "credit": decimals.text(portfolio.credit),
        "used_margin": decimals.text(portfolio.used_margin),
        "reserved_margin": decimals.text(portfolio.reserved_margin),
        **_show_worth(worth, digits),
        "live_orders": len(state.orders),
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


def _show_line(line: Line[Transfer]) -> dict[str, Any]:
    moved = line.told
    return {
        **show_transfer(moved),
        "direction": "in" if moved.credit == str(line.account) else "out",
        "order_id": moved.order_id or None,
        "transfer_id": moved.transfer_id or None,
        "version": line.version,
        "line": line.line,
        "at": show_time(line.at_ms),
    }


def _money(amount: Decimal, digits: int) -> str:
    return decimals.text(decimals.money(amount, digits))
