"""The admin's way in and out, without a browser: limits, the audit log, and when a session ends."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import AuditEntry, Role, User
from copytrading.kernel import clock
from tests.accounts.knocking import ADMIN_LOG_IN, PASSWORD, admin_log_in, told
from tests.api.away import cache_away, postgresql_away

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("book")]

NOON = "2030-01-31T12:00:20Z"
INSIDE = "/admin/accounts/user/"
LOG_OUT = "/admin/logout/"


@pytest.fixture
def dealer() -> User:
    return User.objects.create_user("dora", password=PASSWORD, role=Role.DEALER)


def page(answer: Any) -> str:
    return str(answer.content.decode())


def is_inside(client: Client) -> bool:
    return bool(client.get(INSIDE).status_code == 200)


def test_staff_log_in_and_out_and_both_are_noted(client: Client, dealer: User) -> None:
    answer = admin_log_in(client, "dora", address="10.0.0.9")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert is_inside(client)

    client.post(LOG_OUT)

    assert not is_inside(client)
    name = f"user:{dealer.pk}"
    assert told() == [(name, "log_in", name, "done", ""), (name, "log_out", name, "done", "")]
    assert list(AuditEntry.objects.values_list("after", flat=True)) == [{"through": "the admin"}] * 2
    assert AuditEntry.objects.earliest("id").address == "10.0.0.9"


def test_leaving_without_being_in_or_by_a_link_is_no_log_out(client: Client, dealer: User) -> None:
    client.post(LOG_OUT)
    client.force_login(dealer)
    assert client.get(LOG_OUT).status_code == 405
    assert is_inside(client)
    assert told() == []


def test_wrong_password_unknown_name_and_a_customer_see_the_same_page(client: Client, dealer: User) -> None:
    User.objects.create_user("tess", password=PASSWORD)
    for username, password in (("dora", "wrong"), ("nobody", "wrong"), ("tess", PASSWORD)):
        answer = admin_log_in(client, username, password)
        assert answer.status_code == 200
        assert "Please enter the correct username and password for a staff account" in page(answer)
        assert not is_inside(client)
    assert len(told("log_in_refused")) == 3
    assert told("log_in") == []


def test_after_ten_failures_the_page_says_how_long_to_wait(client: Client, dealer: User) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        for _ in range(10):
            assert admin_log_in(client, "dora", "wrong").status_code == 200
        refused = admin_log_in(client, "dora")
        assert (refused.status_code, refused["Retry-After"]) == (429, "280")
        assert "Too many tries; wait 280 seconds." in page(refused)
        assert refused["Content-Type"].startswith("text/html")
        assert not is_inside(client)
        travel.shift(280)
        assert admin_log_in(client, "dora").status_code == 302
    assert [entry[2] for entry in told("log_in_throttled")] == [f"user:{dealer.pk}"]


def test_many_names_from_one_address_wait_too(client: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        statuses = [admin_log_in(client, f"name{number}", "x").status_code for number in range(61)]
        assert statuses == [200] * 60 + [429]


def test_an_empty_form_is_no_try(client: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        for _ in range(70):
            answer = client.post(ADMIN_LOG_IN, {"username": "", "password": "x"})
            assert answer.status_code == 200
    assert "This field is required" in page(answer)


def test_while_nobody_counts_the_page_says_that_log_in_is_away(client: Client, dealer: User, settings: Any) -> None:
    with cache_away(settings):
        answer = admin_log_in(client, "dora")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Log-in is away for now; try again shortly." in page(answer)
    assert admin_log_in(client, "dora").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_without_the_record_there_are_no_pages_and_that_is_said(client: Client, dealer: User) -> None:
    assert admin_log_in(client, "dora").status_code == 302
    with postgresql_away():
        answers = [client.get("/admin/"), client.get("/admin/orders/order/"), admin_log_in(Client(), "dora")]
    for answer in answers:
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert "PostgreSQL can't be reached" in page(answer)
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("field", ["username", "password"])
def test_what_nobody_types_is_no_fault_of_ours(client: Client, field: str) -> None:
    for typed in ("x" * 100_000, "\x00", "Ａｄｍｉｎ", "<script>", "' OR 1=1 --"):
        answer = client.post(ADMIN_LOG_IN, {"username": "a", "password": "b", field: typed})
        assert answer.status_code in (200, 429)
        assert "<script>'" not in page(answer)


def test_a_session_ends_after_twelve_hours_however_busy_it_was(client: Client, dealer: User) -> None:
    begun = clock.now()
    with time_machine.travel(begun, tick=False) as travel:
        cookie = admin_log_in(client, "dora").cookies["sessionid"]
        assert int(cookie["max-age"]) == 12 * 3600
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert Session.objects.get().expire_date == begun + timedelta(hours=12)
        for _ in range(11):
            travel.shift(3600)
            session = client.session
            session["looked_at"] = str(clock.now())
            session.save()
            assert is_inside(client)
        travel.shift(3600)
        assert not is_inside(client)


def test_the_session_has_another_key_after_the_log_in(client: Client, dealer: User) -> None:
    """Whoever planted a session in somebody's browser does not share the log-in."""
    session = client.session
    session["planted"] = "yes"
    session.save()
    planted = session.session_key
    admin_log_in(client, "dora")
    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()
