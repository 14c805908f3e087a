"""Forms that are no commands on an account count once too, however often they are posted."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import ApiKey, AuditEntry, Halt, LiveAccount, User
from orders.rules import halts as rules
from orders.verbs import halt as halts
from tests.api.away import cache_away
from tests.fixtures.desk import Desk

pytestmark = pytest.mark.django_db

HALT, LIFT = "/admin/accounts/halt/add/", "/admin/accounts/halt/lift/?scope=platform"
KEY, ACCOUNT = "/admin/accounts/apikey/add/", "/admin/accounts/liveaccount/add/"
AUDIT = "/admin/operations/audit/"
HALTED = {"scope": "platform", "extent": "opens", "reason": "news", "until": ""}
ISSUED = {"owner": "trader", "name": "robot", "scopes": ["read"], "days": "30", "why": "asked for"}


def client_of(username: str = "administrator") -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def key_of(client: Client, page: str) -> dict[str, str]:
    """What the page puts into its form."""
    found = re.search(r'name="once" value="([0-9a-f]{32})"', client.get(page).content.decode())
    assert found, page
    return {"once": found[1]}


def lift_again() -> None:
    halts.halt(rules.Halt("platform", True, "again"), "user:1")


CASES: tuple[tuple[str, dict[str, Any], str, Callable[[], int], Callable[[], None]], ...] = (
    (HALT, HALTED, "halt", Halt.objects.count, lambda: None),
    (LIFT, {"reason": "over"}, "lift_halt", Halt.objects.exclude(lifted_at=None).count, lift_again),
    (KEY, ISSUED, "issue_key", ApiKey.objects.count, lambda: None),
    (AUDIT, {"why": "a doubt"}, "audit", lambda: 0, lambda: None),
)


@pytest.mark.parametrize(("page", "typed", "act", "count", "prepare"), CASES, ids=[case[2] for case in CASES])
def test_a_form_posted_twice_counts_once(
    desk: Desk, page: str, typed: dict[str, Any], act: str, count: Callable[[], int], prepare: Callable[[], None]
) -> None:
    client = client_of()
    prepare()
    form = {**typed, **key_of(client, page)}
    assert client.post(page, form).status_code in (200, 302)
    done = count()
    prepare()

    again = client.post(page, form, follow=True)

    assert "nothing was" in again.content.decode()
    assert (count(), AuditEntry.objects.filter(action=act).count()) == (done, 1)
    assert client.post(page, {**typed, **key_of(client, page)}).status_code in (200, 302)
    assert AuditEntry.objects.filter(action=act).count() == 2


def test_an_account_is_opened_once(desk: Desk) -> None:
    client, before = client_of(), LiveAccount.objects.count()
    owner = User.objects.get(username="trader").pk
    form = {"owner": owner, "group": "retail", "leverage": "30", "status": "active", **key_of(client, ACCOUNT)}
    assert client.post(ACCOUNT, form).status_code == 200  # no reason: nothing was done, so the key is good still
    form["reason"] = "by letter"
    assert client.post(ACCOUNT, form).status_code == 302
    assert client.post(ACCOUNT, form)["Location"] == "/admin/accounts/liveaccount/"
    assert LiveAccount.objects.count() == before + 1


def test_a_halt_is_set_while_nothing_can_be_counted(desk: Desk, settings: Any) -> None:
    client = client_of("dealer")
    form = {**HALTED, **key_of(client, HALT)}
    with cache_away(settings):
        assert client.post(HALT, form).status_code == 302
    assert [halt.reason for halt in halts.standing()] == ["news"]
