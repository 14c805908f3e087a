"""Who logs in: roles, and keys that are shown once."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from accounts.models import ApiKey, User
from copytrading.kernel import clock
from tests.accounts import rows

pytestmark = pytest.mark.django_db

SECRET = re.compile(r"ct_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")


@pytest.mark.parametrize(
    ("role", "staff"),
    [("trader", False), ("strategist", False), ("support", True), ("dealer", True), ("administrator", True)],
)
def test_staff_follows_from_the_role(role: str, staff: bool) -> None:
    user = rows.user(role=role)
    user.refresh_from_db()
    assert user.is_staff is staff


def test_a_superuser_is_an_administrator_and_an_ordinary_user_a_trader() -> None:
    root = User.objects.create_superuser("root", password="x")
    assert (root.role, root.is_staff) == ("administrator", True)
    ann = User.objects.create_user("ann")
    assert (ann.role, ann.is_staff, ann.is_superuser) == ("trader", False, False)


def test_a_lowered_role_is_no_longer_staff() -> None:
    dealer = rows.user(role="dealer")
    dealer.role = "trader"
    dealer.save()
    assert User.objects.values_list("is_staff", flat=True).get() is False


def test_of_a_key_only_its_hash_is_kept() -> None:
    until = clock.now() + timedelta(days=1)
    key, secret = ApiKey.issue(rows.user(), "robot", ["trade", "read", "read"], until)
    stored = ApiKey.objects.values().get()
    assert SECRET.fullmatch(secret)
    assert secret[3:11] == stored["prefix"] == key.prefix
    assert stored["hash"] == ApiKey.hash_of(secret)
    assert not any(secret[12:] in str(value) for value in stored.values())
    assert (stored["scopes"], stored["expires_at"], stored["revoked_at"], stored["last_used_at"]) == (
        ["read", "trade"],
        until,
        None,
        None,
    )


def test_keys_are_never_alike() -> None:
    until = clock.now() + timedelta(days=1)
    secrets = {ApiKey.issue(rows.user(), "robot", ["read"], until)[1] for _ in range(20)}
    assert len(secrets) == 20


@pytest.mark.parametrize(
    ("role", "name", "scopes", "days", "said"),
    [
        ("trader", "robot", [], 1, "Give one or more of the scopes read, trade, dealer"),
        ("trader", "robot", ["root"], 1, "Give one or more of the scopes read, trade, dealer"),
        ("trader", "", ["read"], 1, "This field cannot be blank"),
        ("trader", "robot", ["read"], -1, "A key must expire after it was created"),
        ("trader", "robot", ["dealer"], 1, "ann is no dealer"),
        ("support", "robot", ["dealer"], 1, "ann is no dealer"),
    ],
)
def test_a_key_that_can_not_be(role: str, name: str, scopes: list[str], days: int, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ApiKey.issue(rows.user(role=role), name, scopes, clock.now() + timedelta(days=days))
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("role", ["dealer", "administrator"])
def test_who_deals_may_have_a_dealing_key(role: str) -> None:
    key, _ = ApiKey.issue(rows.user(role=role), "robot", ["dealer"], clock.now() + timedelta(days=1))
    assert key.scopes == ["dealer"]


def test_a_key_is_usable_until_it_expires_or_is_revoked() -> None:
    key = rows.api_key()
    assert key.usable_at(rows.BEGUN)
    assert key.usable_at(key.expires_at - timedelta(microseconds=1))
    assert not key.usable_at(key.expires_at)
    key.revoke()
    first = key.revoked_at
    key.revoke()
    key.refresh_from_db()
    assert key.revoked_at == first
    assert not key.usable_at(rows.BEGUN)


def _create_api_key(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("create_api_key", *arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def test_the_command_prints_the_secret_alone() -> None:
    rows.user()
    secret, said = _create_api_key("ann", "--scopes", "read, trade", "--name", "robot", "--days", "2")
    key = ApiKey.objects.get(hash=ApiKey.hash_of(secret))
    assert SECRET.fullmatch(secret)
    assert (key.name, key.scopes) == ("robot", ["read", "trade"])
    assert timedelta(days=1, hours=23) < key.expires_at - clock.now() < timedelta(days=2)
    assert "It is not shown again" in said
    assert secret not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bob", "--scopes", "read"], "There is no user 'bob'"),
        (["ann", "--scopes", "root"], "Give one or more of the scopes read, trade, dealer"),
        (["ann", "--scopes", "dealer"], "ann is no dealer"),
        (["ann"], "--scopes"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[Any], said: str) -> None:
    rows.user()
    with pytest.raises(CommandError, match=said):
        _create_api_key(*arguments)
    assert not ApiKey.objects.exists()
