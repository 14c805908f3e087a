"""Paths under `api/`, none with a trailing slash. A command is a line here: its path, its body, who may send it."""

from typing import Any

from django.urls import URLPattern, path

from copytrading.kernel.ids import COPY_FOLLOWER, STRATEGY_PROVIDER
from orders.api import bodies, shapes
from orders.api.accounts import Accounts, Transfers
from orders.api.commands import Commands
from orders.api.history import Deals, Orders
from orders.api.prices import Instruments, Quotes

_STRATEGY = "copy-trading/orders/strategy-provider"
_ORDER = "<str:order_id>"
_ACCOUNT = "<str:user_type>/<str:user_id>"


def _command(route: str, body: type[bodies.Body], **how: Any) -> URLPattern:
    name = route.replace("/<str:order_id>", "").replace("/", "-")
    return path(route, Commands.as_view({"post": "carry_out"}, body=body, **how), name=name)


def _on_strategy(verb: str, body: type[bodies.Body]) -> URLPattern:
    """On an order of a strategy, which the path names."""
    named = bodies.given_by_path(body, f"Strategy{body.__name__}", "user_type", "user_id", "order_id")
    return _command(f"{_STRATEGY}/{_ORDER}/{verb}", named, kind=STRATEGY_PROVIDER)


urlpatterns = [
    _command("orders/instant/execute", bodies.Execute, done_status=201, may_wait=True),
    _command("orders/pending/place", bodies.Place, done_status=201, may_wait=True),
    _command("orders/pending/modify", bodies.Modify),
    _command("orders/pending/cancel", bodies.Cancel),
    _command("orders/close", bodies.Close),
    _command("orders/close-all", bodies.CloseEvery, answer=shapes.Results),
    _command("orders/stoploss/add", bodies.AddStopLoss),
    _command("orders/stoploss/cancel", bodies.CancelStopLoss),
    _command("orders/takeprofit/add", bodies.AddTakeProfit),
    _command("orders/takeprofit/cancel", bodies.CancelTakeProfit),
    _command(
        _STRATEGY,
        bodies.given_by_path(bodies.StrategyOrder, "NewStrategyOrder", "user_type"),
        kind=STRATEGY_PROVIDER,
        done_status=201,
        may_wait=True,
    ),
    _on_strategy("close", bodies.Close),
    _on_strategy("cancel", bodies.Cancel),
    _on_strategy("stop-loss", bodies.AddStopLoss),
    _on_strategy("stop-loss/cancel", bodies.CancelStopLoss),
    _on_strategy("take-profit", bodies.AddTakeProfit),
    _on_strategy("take-profit/cancel", bodies.CancelTakeProfit),
    path(f"{_STRATEGY}/<str:account_id>", Orders.as_view({"get": "of_kind"}, kind=STRATEGY_PROVIDER)),
    path("copy-trading/orders/copy-follower/<str:account_id>", Orders.as_view({"get": "of_kind"}, kind=COPY_FOLLOWER)),
    path("orders", Orders.as_view({"get": "list"}), name="orders"),
    path(f"orders/{_ORDER}", Orders.as_view({"get": "retrieve"}), name="order"),
    path(f"orders/{_ORDER}/events", Orders.as_view({"get": "events"}), name="order-events"),
    path("deals", Deals.as_view({"get": "list"}), name="deals"),
    path("accounts", Accounts.as_view({"get": "list"}), name="accounts"),
    path(f"accounts/{_ACCOUNT}", Accounts.as_view({"get": "retrieve"}), name="account"),
    path(
        f"accounts/{_ACCOUNT}/transfers",
        Transfers.as_view({"get": "list", "post": "carry_out"}),
        name="account-transfers",
    ),
    path("instruments", Instruments.as_view({"get": "list"}), name="instruments"),
    path("quotes", Quotes.as_view({"get": "list"}), name="quotes"),
]
