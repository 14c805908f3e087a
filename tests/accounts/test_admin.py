"""The admin as each role meets it: what loads, what may be done, and what a page may ask of the database."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import catalogue, trail
from accounts.models import (
    ACCOUNT_MODELS,
    ApiKey,
    AuditEntry,
    Currency,
    DemoAccount,
    Group,
    GroupInstrument,
    Instrument,
    LiveAccount,
    User,
)
from tests.accounts import rows

pytestmark = pytest.mark.django_db

MODELS: tuple[type[Model], ...] = (
    User,
    ApiKey,
    *ACCOUNT_MODELS.values(),
    Group,
    GroupInstrument,
    Instrument,
    Currency,
    AuditEntry,
)
OPENED_HERE = (User, ApiKey, *ACCOUNT_MODELS.values(), Group, GroupInstrument, Instrument, Currency)
CHANGED_HERE = (User, Group, GroupInstrument, Instrument)

STAFF = ("support", "dealer", "administrator")


def logged_in(role: str) -> Client:
    known = {"role": "administrator", "is_superuser": True} if role == "superuser" else {"role": role}
    client = Client()
    client.force_login(rows.user(f"a-{role}", **known))
    return client


@pytest.fixture(autouse=True)
def one_of_everything() -> None:
    rows.offer()
    rows.api_key()
    trail.note("user:1", "configure_group", "group:retail", reason="news")
    for kind in ACCOUNT_MODELS:
        rows.account(kind)


def page(model: type[Model], view: str, *arguments: object) -> str:
    return reverse(f"admin:accounts_{model._meta.model_name}_{view}", args=arguments)


def one(model: type[Model]) -> Any:
    found = model._default_manager.filter(username="ann") if model is User else model._default_manager.all()
    return found.first()


@pytest.mark.parametrize("role", ["support", "superuser"])
@pytest.mark.parametrize("model", MODELS)
def test_staff_look_at_every_list_and_row(role: str, model: type[Model]) -> None:
    client = logged_in(role)
    assert client.get(page(model, "changelist")).status_code == 200
    if model not in ACCOUNT_MODELS.values():  # their pages show the book as well: tests/orders/test_admin_accounts.py
        assert client.get(page(model, "change", one(model).pk)).status_code == 200


@pytest.mark.parametrize("role", ["trader", "strategist"])
def test_clients_of_the_broker_are_kept_out(role: str) -> None:
    answer = logged_in(role).get(page(LiveAccount, "changelist"))
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("model", MODELS)
def test_only_administrators_add_and_nobody_deletes(role: str, model: type[Model]) -> None:
    client = logged_in(role)
    may = role == "administrator" and model in OPENED_HERE
    assert client.get(page(model, "add")).status_code == (200 if may else 403)
    assert client.post(page(model, "delete", one(model).pk), {"post": "yes"}).status_code == 403
    many = {"action": "delete_selected", "_selected_action": [one(model).pk], "post": "yes"}
    client.post(page(model, "changelist"), many)
    assert one(model) is not None


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("model", MODELS)
def test_only_administrators_change(role: str, model: type[Model]) -> None:
    may = role == "administrator" and model in CHANGED_HERE
    assert (logged_in(role).post(page(model, "change", one(model).pk), {}).status_code == 200) == may


@pytest.mark.parametrize("model", MODELS)
def test_a_list_asks_no_more_for_more_rows(model: type[Model]) -> None:
    client = logged_in("administrator")
    client.get(page(model, "changelist"))
    with CaptureQueriesContext(connection) as few:
        client.get(page(model, "changelist"))
    for number in range(5):
        rows.offer(f"group-{number}", f"{'ABCDE'[number]}BCUSD")
        rows.api_key(f"user-{number}", prefix=f"abcd000{number}", hash=f"{number + 1}" * 64)
        trail.note(f"user:{number}", "change_user", f"user:{number + 100}", reason="moved")
        for kind in ACCOUNT_MODELS:
            rows.account(kind, f"user-{number}", f"group-{number}")
    with CaptureQueriesContext(connection) as many:
        client.get(page(model, "changelist"))
    assert len(many) == len(few)


def test_a_group_page_asks_no_more_for_more_instruments() -> None:
    client = logged_in("administrator")
    client.get(page(Group, "change", "retail"))
    with CaptureQueriesContext(connection) as few:
        client.get(page(Group, "change", "retail"))
    for number in range(5):
        rows.offer("retail", f"{'ABCDE'[number]}BCUSD")
    with CaptureQueriesContext(connection) as many:
        client.get(page(Group, "change", "retail"))
    assert len(many) == len(few)


def test_neither_secret_nor_hash_of_a_key_is_shown() -> None:
    client, key = logged_in("superuser"), one(ApiKey)
    key.hash = "1a2b" * 16
    key.save()
    for address in (
        page(ApiKey, "changelist"),
        page(ApiKey, "change", key.pk),
        page(User, "change", key.user_id),
    ):
        answer = client.get(address).content.decode()
        assert key.prefix in answer
        assert key.hash not in answer


@pytest.mark.parametrize(("role", "revoked"), [("support", False), ("dealer", False), ("administrator", True)])
def test_administrators_revoke_keys(role: str, revoked: bool) -> None:
    key = one(ApiKey)
    answer = logged_in(role).post(reverse("admin:accounts_apikey_revoke", args=[key.pk]), {"why": "leaked"})
    assert answer.status_code == (302 if revoked else 403)
    key.refresh_from_db()
    assert (key.revoked_at is not None) == revoked


def test_a_password_hash_is_shown_to_nobody() -> None:
    user = one(User)
    user.set_password("open-sesame")
    user.save()
    for role in STAFF:
        answer = logged_in(role).get(page(User, "change", user.pk)).content.decode()
        assert user.password not in answer
        assert user.password.rpartition("$")[2] not in answer


def test_an_administrator_sets_roles_but_makes_no_superuser() -> None:
    user = one(User)
    form = {
        "username": "ann",
        "role": "dealer",
        "is_active": "on",
        "is_superuser": "on",
        "why": "joins the desk",
        **_no_rows("api_keys", [one(ApiKey)]),
    }
    assert logged_in("administrator").post(page(User, "change", user.pk), form).status_code == 302
    user.refresh_from_db()
    assert (user.role, user.is_staff, user.is_superuser) == ("dealer", True, False)


def test_a_superuser_is_changed_by_superusers_only() -> None:
    root = rows.user("root", is_superuser=True)
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    form = {"password1": "another-word-1", "password2": "another-word-1", "why": "forgotten"}
    assert logged_in("administrator").post(password, form).status_code == 403
    assert logged_in("administrator").post(page(User, "change", root.pk), {}).status_code == 403
    assert logged_in("superuser").post(password, form).status_code == 302
    root.refresh_from_db()
    assert root.check_password("another-word-1")


def test_a_new_user_has_a_role() -> None:
    form = {
        "username": "dan",
        "role": "support",
        "password1": "another-word-1",
        "password2": "another-word-1",
        "email": "",
        "why": "new colleague",
    }
    assert logged_in("administrator").post(page(User, "add"), form).status_code == 302
    dan = User.objects.get(username="dan")
    assert (dan.role, dan.is_staff) == ("support", True)


def test_an_account_is_opened_in_its_groups_currency_without_money() -> None:
    rows.group("euro", "EUR")
    form = {
        "owner": one(User).pk,
        "group": "euro",
        "leverage": "30",
        "sending_orders": "rock",
        "status": "active",
        "balance": "5",
        "reason": "asked for by letter",
    }
    answer = logged_in("administrator").post(page(LiveAccount, "add"), form)
    opened = LiveAccount.objects.get(group_id="euro")
    assert (answer.status_code, answer["Location"]) == (302, page(LiveAccount, "change", opened.pk))
    assert (opened.currency, opened.leverage, opened.sending_orders, opened.balance) == ("EUR", 30, "rock", 0)
    noted = AuditEntry.objects.get(action="open_account")
    administrator = User.objects.get(username="a-administrator")
    assert (noted.principal, noted.subject) == (f"user:{administrator.pk}", f"live:{opened.pk}")
    assert (noted.outcome, noted.reason, noted.before) == ("done", "asked for by letter", None)
    assert noted.after == {
        "owner": opened.owner_id,
        "group": "euro",
        "leverage": 30,
        "currency": "EUR",
        "sending_orders": "rock",
        "status": "active",
    }


@pytest.mark.parametrize("reason", ["", "   ", "two\nlines", "a\0b", "x" * 201])
def test_an_account_is_not_opened_without_a_plain_reason(reason: str) -> None:
    form = {"owner": one(User).pk, "group": "retail", "leverage": "30", "status": "active", "reason": reason}
    before = LiveAccount.objects.count()
    assert logged_in("administrator").post(page(LiveAccount, "add"), form).status_code == 200
    assert LiveAccount.objects.count() == before
    assert not AuditEntry.objects.filter(action="open_account").exists()


@pytest.mark.parametrize("leverage", ["0", "5001"])
def test_an_account_with_an_impossible_leverage_is_refused_with_the_range(leverage: str) -> None:
    form = {"owner": one(User).pk, "group": "retail", "leverage": leverage, "status": "active", "reason": "why"}
    answer = logged_in("administrator").post(page(DemoAccount, "add"), form)
    assert "Leverage must be from 1 to 5000." in answer.content.decode()
    assert DemoAccount.objects.count() == 1


def _no_rows(prefix: str, present: list[Any]) -> dict[str, Any]:
    """An inline's form data as the page holds it, unchanged."""
    return {f"{prefix}-TOTAL_FORMS": len(present), f"{prefix}-INITIAL_FORMS": len(present)}


def _group_form(**values: Any) -> dict[str, Any]:
    offer = one(GroupInstrument)
    return {
        "hedging_mode": "larger_leg",
        "margin_call_level": "100",
        "stop_out_level": "50",
        "commission_kind": "per_lot",
        "commission_rate": "3.5",
        "commission_timing": "both",
        **_no_rows("instruments", [offer]),
        "instruments-0-id": offer.pk,
        "instruments-0-group": "retail",
        "instruments-0-spread_points": "1.5",
        "instruments-0-spread_point": "0.0001",
        "instruments-0-margin_factor": "1",
        "instruments-0-stops_level": "0",
        "why": "agreed with risk",
        **values,
    }


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(catalogue, "_listeners", [])
    catalogue.on_change(lambda: told.append("changed"))
    return told


def test_a_change_of_terms_is_kept_in_history_and_announced(
    heard: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    client = logged_in("administrator")
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(page(Group, "change", "retail"), _group_form(stop_out_level="30"))
    assert answer.status_code == 302
    assert heard == ["changed"]
    group = Group.objects.get()
    latest = group.history.first()
    assert (group.stop_out_level, group.commission_rate) == (30, Decimal("3.5"))
    assert (latest.stop_out_level, latest.history_user.username) == (30, "a-administrator")
    offer = one(GroupInstrument)
    assert (offer.spread_points, offer.history.first().spread_points) == (Decimal("1.5"), Decimal("1.5"))


def test_a_wrong_change_of_terms_is_refused_in_words_and_not_announced(
    heard: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    client = logged_in("administrator")
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(page(Group, "change", "retail"), _group_form(stop_out_level="101"))
    assert "The stop-out level lies from 0 to the margin call level" in answer.content.decode()
    assert (heard, Group.objects.get().stop_out_level) == ([], 50)


def test_a_group_can_not_be_renamed_or_recounted() -> None:
    rows.currency("EUR")
    form = _group_form(name="other", currency="EUR")
    assert logged_in("administrator").post(page(Group, "change", "retail"), form).status_code == 302
    assert Group.objects.values_list("name", "currency").get() == ("retail", "USD")


@pytest.mark.parametrize("role", STAFF)
def test_history_is_looked_at_and_never_brought_back(role: str) -> None:
    group = Group.objects.get()
    first = group.history.first()
    group.stop_out_level = Decimal(30)
    group.save()
    client = logged_in(role)
    old = reverse("admin:accounts_group_simple_history", args=["retail", first.history_id])
    assert client.get(page(Group, "history", "retail")).status_code == 200
    assert client.get(old).status_code == 200
    assert client.post(old, _group_form()).status_code == 403
    assert Group.objects.get().stop_out_level == 30


def test_what_never_changes_has_no_history() -> None:
    client = logged_in("administrator")
    assert "/history/" not in client.get(page(Currency, "change", "USD")).content.decode()
    for old in (page(Currency, "history", "USD"), reverse("admin:accounts_currency_simple_history", args=["USD", 1])):
        assert client.get(old).status_code == 404


def test_hours_are_typed_and_shown_as_text() -> None:
    client, address = logged_in("administrator"), page(Instrument, "change", "EURUSD")
    assert 'value="Sun 17:00-Fri 17:00"' in client.get(address).content.decode()
    form = {
        "lot_min": "0.01",
        "lot_max": "50",
        "lot_step": "0.01",
        "price_age_ms": "5000",
        "time_zone": "Europe/London",
        "sessions": "Mon 08:00-Mon 16:30, Tue 08:00-Tue 16:30",
        "description": "",
        "why": "summer hours",
    }
    assert client.post(address, form).status_code == 302
    instrument = Instrument.objects.get()
    assert instrument.sessions == [[480, 990], [1920, 2430]]
    assert "is no session" in client.post(address, form | {"sessions": "weekdays"}).content.decode()
    assert "Mon 08:00-Mon 16:30" in logged_in("support").get(address).content.decode()


@pytest.mark.parametrize("role", ["support", "administrator"])
def test_numbers_are_shown_without_the_zeros_of_their_column(role: str) -> None:
    client = logged_in(role)
    for address in (page(Instrument, "change", "EURUSD"), page(Group, "change", "retail"), page(Group, "changelist")):
        assert "0000000" not in client.get(address).content.decode()
    assert "100000" in client.get(page(Instrument, "change", "EURUSD")).content.decode()


def test_an_account_in_margin_call_stands_out() -> None:
    client, address = logged_in("support"), page(LiveAccount, "changelist")
    assert "in margin call" not in client.get(address).content.decode()
    LiveAccount.objects.update(margin_called=True)
    assert "in margin call" in client.get(address).content.decode()


def test_an_instrument_is_added_with_its_sizes() -> None:
    form = {
        "symbol": "GBPUSD",
        "description": "Pound / US dollar",
        "instrument_class": "forex",
        "digits": "5",
        "tick": "0.00001",
        "price_age_ms": "10000",
        "contract_size": "100000",
        "hedged_size": "",
        "lot_min": "0.01",
        "lot_max": "100",
        "lot_step": "0.01",
        "base_currency": rows.currency("GBP").pk,
        "profit_currency": "USD",
        "margin_currency": "GBP",
        "time_zone": "America/New_York",
        "sessions": "always",
        "why": "asked for",
    }
    assert logged_in("administrator").post(page(Instrument, "add"), form).status_code == 302
    added = Instrument.objects.get(symbol="GBPUSD")
    assert (added.hedged_size, added.sessions) == (Decimal(100_000), [[0, 10080]])


def test_a_groups_lots_must_leave_something_to_trade() -> None:
    offer = one(GroupInstrument)
    form = {
        "lot_min": "200",
        "spread_points": "2",
        "spread_point": "0.0001",
        "stops_level": "0",
        "margin_factor": "1",
        "swap_kind": "points",
        "swap_long": "0",
        "swap_short": "0",
        "triple_swap_day": "2",
        "why": "small clients",
    }
    client = logged_in("administrator")
    answer = client.post(page(GroupInstrument, "change", offer.pk), form)
    assert "No lots are left: the smallest would be 200 and the largest 100" in answer.content.decode()
    assert client.post(page(GroupInstrument, "change", offer.pk), form | {"lot_min": "2"}).status_code == 302
    offer.refresh_from_db()
    assert (offer.lot_min, offer.group_id) == (Decimal(2), "retail")


@pytest.mark.parametrize("asked", ["ann", "L1000"])
def test_accounts_are_found_by_number_and_owner(asked: str) -> None:
    number = one(LiveAccount).account_number
    assert number in logged_in("support").get(page(LiveAccount, "changelist"), {"q": asked}).content.decode()
    assert number not in logged_in("support").get(page(LiveAccount, "changelist"), {"q": "bob"}).content.decode()
