"""What the admin takes, tells and notes of changes: numbers, saving what holds already, log-ins, refused forms."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponseServerError
from django.template import loader
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from accounts.models import ApiKey, AuditEntry, Group, GroupInstrument, LiveAccount, User
from tests.accounts import rows

pytestmark = pytest.mark.django_db

NUMBERS = ("1e3", "１２０", "1_00", "+5", "0x10", "1 000", "NaN", "1,5")
GROUP = "/admin/accounts/group/retail/change/"
LOG_INS = "/admin/knox/authtoken/"


@pytest.fixture(autouse=True)
def one_of_everything() -> None:
    rows.offer()
    rows.account()


@pytest.fixture
def chief() -> Client:
    return logged_in("administrator")


def logged_in(role: str) -> Client:
    client = Client()
    client.force_login(rows.user(f"a-{role}", role=role))
    return client


def told(answer: Any) -> list[str]:
    assert answer.status_code == 302, answer
    return [str(message) for message in get_messages(answer.wsgi_request)]


def form_of(client: Client, address: str, **typed: str) -> dict[str, Any]:
    """What a browser would send of the page as it is shown."""
    shown = client.get(address).context
    sent = {each.html_name: each.value() for each in shown["adminform"].form}
    for formset in shown["inline_admin_formsets"]:
        for each in (formset.formset.management_form, *formset.formset.forms):
            sent |= {field.html_name: field.value() for field in each}
    return {name: "" if value is None else value for name, value in sent.items()} | {"why": "agreed"} | typed


@pytest.mark.parametrize("number", NUMBERS)
def test_terms_take_plain_numbers_alone(chief: Client, number: str) -> None:
    offer = GroupInstrument.objects.get()
    new_account = {"owner": rows.user().pk, "group": "retail", "status": "active", "reason": "letter"}
    for address, typed in (
        (GROUP, {"stop_out_level": number}),
        (GROUP, {"instruments-0-spread_points": number}),
        (f"/admin/accounts/groupinstrument/{offer.pk}/change/", {"margin_factor": number}),
        ("/admin/accounts/instrument/EURUSD/change/", {"price_age_ms": number}),
    ):
        answer = chief.post(address, form_of(chief, address, **typed))
        assert "in plain digits" in answer.content.decode(), (address, typed)
    opened = chief.post("/admin/accounts/liveaccount/add/", {**new_account, "leverage": number})
    assert "Write a whole number in plain digits" in opened.content.decode()
    assert (LiveAccount.objects.count(), AuditEntry.objects.count()) == (1, 0)


def test_saving_what_holds_already_says_so_and_leaves_no_trace(chief: Client) -> None:
    group = Group.objects.get()
    answer = chief.post(GROUP, form_of(chief, GROUP))
    assert told(answer) == ["Nothing was changed: what was sent is what holds already."]
    assert (group.history.count(), AuditEntry.objects.count()) == (1, 0)

    inline = chief.post(GROUP, form_of(chief, GROUP, **{"instruments-0-spread_points": "3"}))
    assert "was changed successfully" in told(inline)[0]
    assert [entry.action for entry in AuditEntry.objects.all()] == ["configure_offer"]
    assert group.history.count() == 1


def test_a_superuser_stays_an_administrator_and_the_form_says_so() -> None:
    root = rows.user("root", is_superuser=True, role="administrator")
    client = Client()
    client.force_login(root)
    address = reverse("admin:accounts_user_change", args=[root.pk])
    answer = client.post(address, form_of(client, address, role="support"))
    assert "A superuser is an administrator always" in answer.content.decode()


def test_a_key_is_revoked_once(chief: Client) -> None:
    key = rows.api_key()
    revoke = reverse("admin:accounts_apikey_revoke", args=[key.pk])
    assert "opens nothing any more" in told(chief.post(revoke, {"why": "leaked"}))[0]
    since = ApiKey.objects.get().revoked_at
    assert "was revoked before, at 20" in told(chief.post(revoke, {"why": "leaked"}))[-1]
    assert (ApiKey.objects.get().revoked_at, AuditEntry.objects.count()) == (since, 1)


def test_a_log_in_is_named_by_who_and_when_and_shows_nothing_of_its_token(chief: Client) -> None:
    token = AuthToken.objects.create(user=rows.user())[0]
    listed = chief.get(LOG_INS)
    (row,) = listed.context["cl"].result_list
    page = listed.context["cl"].url_for_result(row)
    shown = chief.get(page)
    assert f"ann, {token.created:%Y-%m-%d %H:%M:%S} UTC" in shown.content.decode()
    for text in (listed.content.decode(), shown.content.decode(), page):
        assert token.digest not in text
        assert token.token_key not in text
        assert "Knox" not in text
    end = page.replace("/change/", "/end/")
    assert f'href="{end}"' in shown.content.decode()
    assert told(chief.post(end, {"why": "lost the phone"})) == ["ann is logged out there."]
    assert not AuthToken.objects.exists()
    assert chief.get(page).status_code == 302


@pytest.mark.parametrize("role", ["support", "dealer"])
def test_log_ins_are_the_administrators(role: str) -> None:
    assert logged_in(role).get(LOG_INS).status_code == 403
    assert LOG_INS not in logged_in(role).get("/admin/").content.decode()


def test_what_staff_send_and_may_not_is_noted_once_a_minute() -> None:
    client, user = logged_in("support"), User.objects.get_or_create(username="a-support")[0]
    password = reverse("admin:auth_user_password_change", args=[rows.user().pk])
    sent = (GROUP, "/admin/accounts/halt/add/", "/admin/accounts/apikey/add/", password, "/admin/operations/audit/")
    for address in sent:
        for _ in range(3):
            assert client.post(address, {"why": "curious"}).status_code == 403
    assert client.get("/admin/accounts/halt/add/").status_code == 403
    noted = AuditEntry.objects.order_by("id").values_list("principal", "action", "subject", "outcome")
    assert list(noted) == [(f"user:{user.pk}", "forbidden_form", address, "not_permitted") for address in sent]


def test_the_audit_log_finds_an_account_by_its_number_and_an_orders_opening() -> None:
    order = "ord_l7_0000000000001"
    rows.audit_entry(action="open", subject="live:7", after={"order_id": order})
    rows.audit_entry(action="close", subject=order)
    rows.audit_entry(action="deposit", subject="live:7")
    rows.audit_entry(action="open", subject="live:8", after={"order_id": "ord_l8_0000000000001"})
    client = logged_in("support")
    for word, found in (
        ("L10000007", {"open", "deposit"}),
        ("live:7", {"open", "deposit"}),
        (order, {"open", "close"}),
    ):
        listed = client.get("/admin/accounts/auditentry/", {"q": word}).context["cl"].result_list
        assert {entry.action for entry in listed} == found, word


def test_an_account_is_found_by_its_name_in_the_book() -> None:
    account = LiveAccount.objects.get()
    client = logged_in("support")
    for word, count in ((f"live:{account.pk}", 1), (f"demo:{account.pk}", 0), ("live:999999", 0), ("ann", 1)):
        listed = client.get("/admin/accounts/liveaccount/", {"q": word}).context["cl"]
        assert listed.result_count == count, word


def test_what_can_not_be_shown_leads_back() -> None:
    """Pages of nobody's, of another role's and of an old form; the API's answers stay JSON."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(rows.user("a-support", role="support"))
    for answer, status, told in (
        (client.get("/admin/accounts/liveaccount/1/act/explode/"), 404, "There is no such page"),
        (client.get("/admin/accounts/apikey/add/"), 403, "Not for your role"),
        (client.post(GROUP, {}), 403, "This form is too old"),
        (HttpResponseServerError(loader.get_template("500.html").render()), 500, "This is our fault"),
    ):
        assert answer.status_code == status
        for text in (told, 'href="/admin/"', "Back"):
            assert text in answer.content.decode()
    assert client.get("/api/nothing")["Content-Type"] == "application/problem+json"
