"""A broker in one room: four kinds of account, two owners, staff, keys, and a price of EURUSD."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from knox.models import AuthToken

from accounts import catalogue
from accounts.api.principals import principals
from accounts.models import ApiKey, Role, TradingAccount, User
from copytrading.kernel import clock
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, KINDS, LIVE, STRATEGY_PROVIDER
from orders.book import quotes
from orders.messages import MoveMoney
from orders.verbs import carry_out
from tests.accounts import rows
from tests.fixtures.book import Book

EXECUTE = "/api/orders/instant/execute"
CLOSE = "/api/orders/close"
CLOSE_ALL = "/api/orders/close-all"
PLACE = "/api/orders/pending/place"
MODIFY = "/api/orders/pending/modify"
CANCEL = "/api/orders/pending/cancel"
STOP_LOSS_ADD = "/api/orders/stoploss/add"
STOP_LOSS_CANCEL = "/api/orders/stoploss/cancel"
TAKE_PROFIT_ADD = "/api/orders/takeprofit/add"
TAKE_PROFIT_CANCEL = "/api/orders/takeprofit/cancel"


@dataclass
class Desk:
    """Speaks to the API as anyone, and looks behind it."""

    client: Client
    book: Book
    accounts: dict[str, TradingAccount]
    tokens: dict[str, str]
    sequence: int = field(default=0)

    def post(self, path: str, body: Any, by: str | None = "trader", **headers: str) -> Any:
        """`body` is sent as JSON, or as it is if it is bytes; `by` names a log-in or key, None sends neither."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        content_type = headers.pop("Content-Type", "application/json")
        # Not `client.post`, which encodes the body by what the content type says.
        return self.client.generic("POST", path, raw, content_type, headers=self._headers(by) | headers)

    def get(self, path: str, by: str | None = "trader") -> Any:
        return self.client.get(path, headers=self._headers(by))

    def at(self, kind: str) -> dict[str, Any]:
        """The fields that name the account of this kind."""
        return {"user_type": kind, "user_id": self.accounts[kind].pk}

    def buy(self, kind: str = LIVE, lots: str = "0.5", by: str = "trader", **more: Any) -> str:
        """The id of an order just opened."""
        order = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": lots}
        answer = self.post(EXECUTE, {**self.at(kind), **order, **more}, by=by)
        assert answer.status_code == 201, answer.json()
        return str(answer.json()["order"]["order_id"])

    def rest(self, kind: str = LIVE, price: str = "1.0980", by: str = "trader", **more: Any) -> str:
        """The id of a BUY_LIMIT just placed."""
        order = {"symbol": "EURUSD", "order_type": "BUY_LIMIT", "order_quantity": "0.5", "order_price": price}
        answer = self.post(PLACE, {**self.at(kind), **order, **more}, by=by)
        assert answer.status_code == 201, answer.json()
        return str(answer.json()["order"]["order_id"])

    def quote(self, bid: str = "1.1000", ask: str = "1.1002", symbol: str = "EURUSD") -> None:
        self.sequence += 1
        assert quotes.publish(self.book.market, symbol, Decimal(bid), Decimal(ask), "test", self.sequence)

    def versions(self) -> dict[str, str]:
        """Every account's version in the book: equal before and after means that nothing was done."""
        return {
            key: str(self.book.ledger.hget(key, "version"))
            for key in self.book.ledger.scan_iter("user_portfolio:*", count=1000)
        }

    def _headers(self, by: str | None) -> dict[str, str]:
        return {} if by is None else {"Authorization": f"Bearer {self.tokens[by]}"}


@pytest.fixture
def desk(transactional_db: None, book: Book, client: Client) -> Iterator[Desk]:
    """EURUSD at 1.1000 / 1.1002; 10,000.00 USD on each account of the trader, routed locally; hours ignored."""
    principals.clear()
    catalogue.forget()
    rows.group("retail", ignore_hours=True)
    rows.offer("retail", "EURUSD")
    accounts = {kind: rows.account(kind, "trader", sending_orders="rock") for kind in KINDS}
    made = Desk(client, book, accounts, dict(_tokens()))
    made.quote()
    for account in accounts.values():
        deposit = MoveMoney(
            account=account.ref, principal="system:test", key="1", staff=True,
            kind="deposit", amount=Decimal(10_000), reason="begin",
        )  # fmt: skip
        carry_out(deposit)
    yield made
    principals.clear()
    catalogue.forget()


def _tokens() -> Iterator[tuple[str, str]]:
    """A log-in for each role, another trader's, and keys of trader and dealer."""
    for username, role in (
        ("trader", Role.TRADER),
        ("stranger", Role.TRADER),
        ("strategist", Role.STRATEGIST),
        ("support", Role.SUPPORT),
        ("dealer", Role.DEALER),
        ("administrator", Role.ADMINISTRATOR),
    ):
        user = rows.user(username)
        user.role = role
        user.save()
        yield username, AuthToken.objects.create(user=user)[1]
    for name, owner, scopes in (
        ("reading key", "trader", ["read"]),
        ("trading key", "trader", ["read", "trade"]),
        ("stranger's key", "stranger", ["read", "trade"]),
        ("dealing key", "dealer", ["read", "trade", "dealer"]),
    ):
        yield name, issue(owner, scopes)[1]


def issue(owner: str, scopes: list[str]) -> tuple[ApiKey, str]:
    return ApiKey.issue(User.objects.get(username=owner), "test", scopes, clock.now() + timedelta(days=1))


TRADED_BY_OWNER = (LIVE, DEMO, STRATEGY_PROVIDER)
__all__ = ["COPY_FOLLOWER", "KINDS", "TRADED_BY_OWNER", "Desk"]
