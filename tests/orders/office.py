"""The broker's office: staff at the admin's account pages and action forms, as a browser would send them."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from accounts.models import AuditEntry, TradingAccount, User
from copytrading.kernel.ids import LIVE
from orders.admin.links import account_url, act_url
from orders.book.account import State, load
from tests.fixtures.desk import Desk
from tests.fixtures.sessions import let_prices_age

WHY = "asked for by phone"


@dataclass
class Office:
    desk: Desk

    def client(self, username: str | None) -> Client:
        client = Client()
        if username:
            client.force_login(User.objects.get(username=username))
        return client

    def page(self, username: str = "dealer", kind: str = LIVE, query: str = "") -> Any:
        return self.client(username).get(account_url(self.account(kind).ref) + query)

    def url(self, action: str, order_id: str | None = None, kind: str = LIVE) -> str:
        return act_url(kind, self.account(kind).pk, action, order_id)

    def form(self, action: str, order_id: str | None = None, kind: str = LIVE, by: str = "dealer") -> dict[str, Any]:
        """What a browser would post of the form as it is shown."""
        shown = self.client(by).get(self.url(action, order_id, kind))
        assert shown.status_code == 200, shown.content
        posted: dict[str, Any] = {}
        for field in shown.context["form"]:
            value = "" if field.value() is None else field.value()
            posted[field.html_name] = value
            if field.field.show_hidden_initial:
                posted[field.html_initial_name] = value
        return posted

    def post(
        self, action: str, posted: dict[str, Any], order_id: str | None = None, by: str | None = "dealer", **at: str
    ) -> Any:
        """At the price of now, so that no time since is too long."""
        self.desk.quote()
        return self.client(by).post(self.url(action, order_id, **at), posted)

    def act(self, action: str, order_id: str | None = None, by: str = "dealer", kind: str = LIVE, **typed: str) -> Any:
        """The form, filled in with a reason and sent once."""
        posted = {**self.form(action, order_id, kind, by), "reason": WHY, **typed}
        return self.post(action, posted, order_id, by, kind=kind)

    def account(self, kind: str = LIVE) -> TradingAccount:
        return self.desk.accounts[kind]

    def state(self, kind: str = LIVE) -> State:
        return load(self.account(kind).ref, all_orders=True)

    def noted(self) -> list[AuditEntry]:
        """Oldest first."""
        return list(AuditEntry.objects.order_by("id"))

    def principal(self, username: str = "dealer") -> str:
        return f"user:{User.objects.get(username=username).pk}"


def told(answer: Any) -> str:
    """The message that goes with a redirect to the account's page."""
    assert answer.status_code == 302, refusal(answer)
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def refusal(answer: Any) -> dict[str, Any]:
    """What is shown at the form instead."""
    assert answer.status_code == 200, answer
    form = answer.context["form"]
    return {**(form.refusal or {}), "errors": {name: list(texts) for name, texts in form.errors.items()}}


@pytest.fixture
def office(desk: Desk) -> Office:
    let_prices_age()
    return Office(desk)
