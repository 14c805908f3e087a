"""What ends a log-in before its time: a password replaced, a user switched off, a role lowered, an administrator."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from accounts.api import log_in as logging_in
from accounts.api.principals import principals
from accounts.models import ApiKey, Role, User
from copytrading.kernel import clock
from tests.accounts import rows
from tests.accounts.knocking import KEPT_OUT, LET_IN, PASSWORD, admin_log_in, log_in, look, token_of, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("book")]

INSIDE = "/admin/accounts/user/"
NEW = "another-long-passphrase-7"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    principals.clear()
    yield
    principals.clear()


@pytest.fixture
def dealer() -> User:
    return User.objects.create_user("dora", password=PASSWORD, role=Role.DEALER)


@pytest.fixture
def browser(dealer: User) -> Client:
    """Dora's, logged in to the admin."""
    made = Client()
    assert admin_log_in(made, "dora").status_code == 302
    assert is_inside(made)
    return made


@pytest.fixture
def administrator() -> Client:
    made = Client()
    made.force_login(rows.user("chief", role=Role.ADMINISTRATOR))
    return made


def is_inside(client: Client) -> bool:
    return bool(client.get(INSIDE).status_code == 200)


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def key_of(user: User) -> str:
    return ApiKey.issue(user, "test", ["read"], clock.now() + timedelta(days=1))[1]


def test_a_new_password_ends_tokens_and_sessions_and_leaves_keys(client: Client, dealer: User, browser: Client) -> None:
    stranger = User.objects.create_user("otto", password=PASSWORD)
    token, others, key = token_of(client, "dora"), token_of(client, "otto"), key_of(dealer)
    assert [look(client, each) for each in (token, others, key)] == [LET_IN] * 3

    changed = fresh(dealer)
    changed.set_password(NEW)
    changed.save()

    assert [look(client, each) for each in (token, others, key)] == [KEPT_OUT, LET_IN, LET_IN]
    assert not is_inside(browser)
    assert not AuthToken.objects.filter(user=dealer).exists()
    assert AuthToken.objects.filter(user=stranger).count() == 1
    assert log_in(client, "dora").status_code == 401
    assert log_in(client, "dora", NEW).status_code == 200


def test_who_replaces_the_own_password_stays_where_that_was_done(client: Client, dealer: User, browser: Client) -> None:
    token, elsewhere = token_of(client, "dora"), Client()
    admin_log_in(elsewhere, "dora")
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    assert browser.post(reverse("admin:password_change"), form).status_code == 302

    assert is_inside(browser)
    assert not is_inside(elsewhere)
    assert look(client, token) == KEPT_OUT
    name = f"user:{dealer.pk}"
    assert told("change_password") == [(name, "change_password", name, "done", "")]


@pytest.mark.parametrize(
    "form",
    [
        {"usable_password": "true", "password1": NEW, "password2": NEW, "why": "new"},
        {"usable_password": "false", "unset-password": "1", "why": "new"},
    ],
)
def test_an_administrator_replaces_or_takes_away_a_password(
    client: Client, dealer: User, browser: Client, administrator: Client, form: dict[str, str]
) -> None:
    token = token_of(client, "dora")

    address = reverse("admin:auth_user_password_change", args=[dealer.pk])
    assert administrator.post(address, form).status_code == 302

    assert look(client, token) == KEPT_OUT
    assert not is_inside(browser)
    chief = User.objects.get(username="chief")
    assert told("change_password") == [(f"user:{chief.pk}", "change_password", f"user:{dealer.pk}", "done", "new")]


def test_a_password_is_replaced_for_a_reason_alone(dealer: User, administrator: Client) -> None:
    address = reverse("admin:auth_user_password_change", args=[dealer.pk])
    assert administrator.post(address, {"password1": NEW, "password2": NEW}).status_code == 200
    assert fresh(dealer).check_password(PASSWORD)


def test_a_password_replaced_at_the_console_says_so(
    client: Client, dealer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(client, "dora")
    monkeypatch.setattr("getpass.getpass", lambda prompt: NEW)
    monkeypatch.setattr("getpass.getuser", lambda: "operator")

    call_command("changepassword", "dora")

    assert look(client, token) == KEPT_OUT
    assert told("change_password") == [("console:operator", "change_password", f"user:{dealer.pk}", "done", "")]


def test_what_leaves_the_password_as_it_is_ends_nothing(client: Client, dealer: User, settings: Any) -> None:
    token = token_of(client, "dora")
    changed = fresh(dealer)
    changed.first_name = "Dora"
    changed.save()
    changed.email = "dora@example.com"
    changed.save(update_fields=["email"])
    assert look(client, token) == LET_IN

    before = fresh(dealer).password
    settings.PASSWORD_HASHERS = [
        f"{PBKDF2PasswordHasher.__module__}.PBKDF2PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    assert log_in(client, "dora").status_code == 200
    assert fresh(dealer).password != before  # hashed anew, at the log-in
    assert look(client, token) == LET_IN
    assert told("change_password") == []


def test_a_new_user_changes_no_password(administrator: Client) -> None:
    form = {
        "username": "dan",
        "role": "support",
        "usable_password": "true",
        "password1": NEW,
        "password2": NEW,
        "why": "new",
    }
    assert administrator.post(reverse("admin:accounts_user_add"), form).status_code == 302
    assert told("change_password") == []


def test_a_password_replaced_while_it_is_checked_gives_no_token(
    client: Client, dealer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing takes a while; whoever lost the password may be replacing it at that moment."""

    def replaced_meanwhile(**credentials: Any) -> Any:
        found = authenticate(**credentials)
        other = fresh(dealer)
        other.set_password(NEW)
        other.save()
        return found

    monkeypatch.setattr(logging_in, "authenticate", replaced_meanwhile)
    answer = log_in(client, "dora")

    assert (answer.status_code, answer.json()["reason"]) == KEPT_OUT
    assert not AuthToken.objects.exists()
    assert told("log_in") == []


def test_who_is_switched_off_is_out_at_once_and_stays_out_when_switched_on_again(
    client: Client, dealer: User, browser: Client, administrator: Client
) -> None:
    token, key = token_of(client, "dora"), key_of(dealer)
    assert [look(client, each) for each in (token, key)] == [LET_IN] * 2
    form = {"username": "dora", "role": "dealer", "api_keys-TOTAL_FORMS": 1, "api_keys-INITIAL_FORMS": 1, "why": "left"}
    page = reverse("admin:accounts_user_change", args=[dealer.pk])

    assert administrator.post(page, form).status_code == 302
    assert [look(client, each) for each in (token, key)] == [KEPT_OUT] * 2
    assert not is_inside(browser)
    assert log_in(client, "dora").status_code == 401

    assert administrator.post(page, form | {"is_active": "on"}).status_code == 302
    assert [look(client, each) for each in (token, key)] == [KEPT_OUT, LET_IN]
    assert not is_inside(browser)


@pytest.mark.django_db(transaction=True)
def test_a_lowered_role_takes_its_power_from_sessions_and_tokens_at_once(
    client: Client, dealer: User, browser: Client
) -> None:
    token = token_of(client, "dora")
    account = rows.account(owner="ann")
    path = f"/api/accounts/live/{account.pk}/transfers"
    money = {"kind": "deposit", "amount": "0", "reason": "test"}

    def answer() -> str:
        headers = {"Authorization": f"Bearer {token}"}
        return str(client.post(path, money, content_type="application/json", headers=headers).json()["reason"])

    assert answer() == "invalid_fields"  # a dealer is told what is wrong with it

    lowered = fresh(dealer)
    lowered.role = Role.TRADER
    lowered.save()

    assert answer() == "account_not_found"
    assert not is_inside(browser)


@pytest.mark.parametrize(("role", "may"), [("support", False), ("dealer", False), ("administrator", True)])
def test_administrators_log_anybody_out_everywhere(
    client: Client, dealer: User, browser: Client, role: str, may: bool
) -> None:
    token, key = token_of(client, "dora"), key_of(dealer)
    staff = Client()
    chief = rows.user("chief", role=role)
    staff.force_login(chief)

    asked = {"action": "log_out_everywhere", "_selected_action": [dealer.pk]}
    assert ("Log them out" in staff.post(INSIDE, asked).content.decode()) is may
    assert is_inside(browser)
    staff.post(INSIDE, {**asked, "why": "lost the phone"})

    assert look(client, token) == (KEPT_OUT if may else LET_IN)
    assert is_inside(browser) is not may
    assert look(client, key) == LET_IN
    assert is_inside(staff)
    expected = [(f"user:{chief.pk}", "log_out_everywhere", f"user:{dealer.pk}", "done", "lost the phone")]
    assert told("log_out_everywhere") == (expected if may else [])
    assert log_in(client, "dora").status_code == 200
