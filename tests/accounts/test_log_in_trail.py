"""What the audit log is told of log-ins, tokens and keys, and that nobody can fill it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
import time_machine
from django.test import Client

from accounts import trail
from accounts.api import log_in as logging_in
from accounts.api import token_trail
from accounts.api.principals import principals
from accounts.limits import Limit
from accounts.models import ApiKey, AuditEntry, User
from copytrading.kernel import clock
from tests.accounts.knocking import (
    HOME,
    KEPT_OUT,
    LET_IN,
    LOG_OUT,
    PASSWORD,
    admin_log_in,
    ask,
    log_in,
    look,
    token_of,
    told,
)
from tests.api.away import cache_away, postgresql_away
from tests.fixtures.lines import Lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("book")]

NOON = "2030-01-31T12:00:00Z"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    for forget in (principals.clear, token_trail.key_uses.clear):
        forget()
    yield
    for forget in (principals.clear, token_trail.key_uses.clear):
        forget()


@pytest.fixture
def trader() -> User:
    return User.objects.create_user("tess", password=PASSWORD)


def issue(user: User, *scopes: str, days: float = 1) -> tuple[ApiKey, str]:
    return ApiKey.issue(user, "test", scopes or ("read",), clock.now() + timedelta(days=days))


def test_a_log_in_and_a_log_out_are_noted_with_their_address(client: Client, trader: User) -> None:
    token = token_of(client, address="10.0.0.9")
    ask(client, "POST", LOG_OUT, {}, "10.0.0.8", token)

    name = f"user:{trader.pk}"
    assert told() == [(name, "log_in", name, "done", ""), (name, "log_out", name, "done", "")]
    entries = AuditEntry.objects.order_by("id").values_list("address", "after")
    assert list(entries) == [("10.0.0.9", {"through": "the API"}), ("10.0.0.8", {"through": "the API"})]


def test_a_refused_log_in_names_the_user_and_what_was_wrong(client: Client, trader: User) -> None:
    gone = User.objects.create_user("gone", password=PASSWORD, is_active=False)
    log_in(client, "tess", "wrong", "10.0.0.9")
    log_in(client, "gone")
    admin_log_in(client, "tess")

    assert told() == [
        ("nobody", "log_in_refused", f"user:{trader.pk}", "not_authenticated", "wrong password, the API"),
        ("nobody", "log_in_refused", f"user:{gone.pk}", "not_authenticated", "user is switched off, the API"),
        ("nobody", "log_in_refused", f"user:{trader.pk}", "not_authenticated",
         "right password, but not admitted, the admin"),
    ]  # fmt: skip
    first = AuditEntry.objects.earliest("id")
    assert first.address == "10.0.0.9"


def test_a_name_that_is_nobodys_is_kept_as_a_keyed_hash(client: Client, settings: Any) -> None:
    """Somebody types a password where the user name belongs."""
    for typed in ("hunter2-my-password", "hunter2-my-password", "another"):
        log_in(client, typed, "x")
    settings.SECRET_KEY = "another secret key of this installation"
    log_in(client, "hunter2-my-password", "x")

    subjects = [subject for _, _, subject, _, _ in told("log_in_refused")]
    assert all(re.fullmatch("unknown:[0-9a-f]{16}", subject) for subject in subjects)
    assert subjects[0] == subjects[1]
    assert len(set(subjects)) == 3
    assert "hunter2" not in str(list(AuditEntry.objects.values()))


def test_waiting_is_noted_once_in_a_window(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        for _ in range(25):
            log_in(client, "tess", "wrong")
        travel.shift(300)
        for _ in range(25):
            log_in(client, "tess", "wrong")

    expected = ("nobody", "log_in_throttled", f"user:{trader.pk}", "rate_limited",
                "more than 10 failures from this address")  # fmt: skip
    assert told("log_in_throttled") == [expected, expected]


def test_waiting_for_tries_of_an_address_and_for_failures_from_everywhere(
    client: Client, trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging_in, "FAILURES_ANYWHERE", Limit("log_in_failures_anywhere", allowed=2, window_s=900))
    with time_machine.travel(NOON, tick=False):
        for number in range(5):
            log_in(client, "tess", "wrong", f"10.0.0.{number}")
        for _ in range(65):
            ask(client, "POST", "/api/auth/login", {}, "10.0.0.9")

    assert [entry[2:] for entry in told("log_in_throttled")] == [
        (f"user:{trader.pk}", "rate_limited", "more than 2 failures from all addresses"),
        ("", "rate_limited", "more than 60 tries from this address"),
    ]


def test_one_address_fills_ten_lines_a_minute_and_the_next_tells_what_is_missing(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        for number in range(55):
            log_in(client, f"name{number}", "x")
        assert len(told("log_in_refused")) == 10
        log_in(client, "other", "x", "10.0.0.9")
        assert len(told("log_in_refused")) == 11
        travel.shift(60)
        for number in range(2):
            log_in(client, f"late{number}", "x")

    entries = AuditEntry.objects.filter(action="log_in_refused").order_by("id")
    assert [entry.after for entry in entries] == [None] * 11 + [{"left_out": 45}, None]


def test_all_addresses_together_fill_so_many_lines_a_minute(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "STRANGERS", Limit("audit_all", allowed=15, window_s=60))
    with time_machine.travel(NOON, tick=False):
        for number in range(40):
            log_in(client, f"name{number}", "x", f"10.0.{number}.1")
            look(client, "junk", f"10.0.{number}.1")
    assert (len(told("log_in_refused")), len(told("token_refused"))) == (15, 15)


def test_a_flood_hides_no_log_in(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False):
        for number in range(30):
            log_in(client, f"name{number}", "x")
        assert log_in(client).status_code == 200
    assert len(told("log_in")) == 1


def test_the_use_of_a_key_is_noted_once_an_hour_for_each_address(client: Client, trader: User) -> None:
    key, secret = issue(trader)
    name, user = f"key:{key.pk}", f"user:{trader.pk}"
    with time_machine.travel(clock.now().replace(minute=0, second=0) + timedelta(hours=1), tick=False) as travel:
        for address in (HOME, HOME, "10.0.0.9", HOME, "2001:db8::1", "2001:db8::2"):
            assert look(client, secret, address) == LET_IN
        told_here = list(AuditEntry.objects.order_by("id").values_list("address", flat=True))
        assert told_here == [HOME, "10.0.0.9", "2001:db8::1"]
        token_trail.key_uses.clear()  # as another process knows it
        assert look(client, secret) == LET_IN
        assert len(told()) == 3
        travel.shift(3600)
        assert look(client, secret) == LET_IN
    assert told() == [(name, "key_used", user, "done", "")] * 4


def test_the_use_of_a_log_in_is_not_noted(client: Client, trader: User) -> None:
    token = token_of(client)
    assert look(client, token) == LET_IN
    assert [entry[1] for entry in told()] == ["log_in"]


def test_a_process_remembers_so_many_uses(client: Client, trader: User) -> None:
    uses = token_trail.KeyUses(capacity=3)
    proved = look(client, issue(trader)[1])
    assert proved == LET_IN
    (known,) = (each.proof.principal for each in principals._known.values())
    for number in range(10):
        uses.note(known, f"10.0.0.{number}")
    assert len(uses) <= 3


def test_refused_keys_are_named_by_their_prefix_with_what_is_wrong(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        revoked, secret_revoked = issue(trader)
        revoked.revoke()
        expired, secret_expired = issue(trader, days=0.5)
        travel.shift(86_400)
        other, secret = issue(trader, days=3)
        for token in (secret_revoked, secret_expired, f"ct_{other.prefix}_guessed", "ct_nosuchke_guessed", "ct_"):
            assert look(client, token) == KEPT_OUT
            travel.shift(60)
        trader.is_active = False
        trader.save()
        assert look(client, secret) == KEPT_OUT

    assert [entry[2:] for entry in told("key_refused")] == [
        (f"key:{revoked.pk}", "not_authenticated", f"key ct_{revoked.prefix}_...: revoked"),
        (f"key:{expired.pk}", "not_authenticated", f"key ct_{expired.prefix}_...: expired"),
        (f"key:{other.pk}", "not_authenticated", f"key ct_{other.prefix}_...: wrong secret"),
        ("", "not_authenticated", "unknown"),
        ("", "not_authenticated", "unknown"),
        (f"key:{other.pk}", "not_authenticated", f"key ct_{other.prefix}_...: its user is switched off"),
    ]
    assert "guessed" not in str(list(AuditEntry.objects.values()))


def test_refused_tokens_tell_whose_they_were(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        token = token_of(client)
        travel.shift(12 * 3600)
        for junk in (token, "junk-token-typed"):
            assert look(client, junk) == KEPT_OUT
            travel.shift(60)

    assert [entry[2:] for entry in told("token_refused")] == [
        (f"user:{trader.pk}", "not_authenticated", "expired"),
        ("", "not_authenticated", "unknown"),
    ]
    assert "junk-token-typed" not in str(list(AuditEntry.objects.values()))


def test_refusals_are_noted_once_a_minute_for_each_address_and_kind(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        for _ in range(3):
            for address in (HOME, "10.0.0.9"):
                assert look(client, "junk", address) == KEPT_OUT
                assert look(client, "ct_junk", address) == KEPT_OUT
        assert (len(told("token_refused")), len(told("key_refused"))) == (2, 2)
        travel.shift(60)
        look(client, "junk")
    assert len(told("token_refused")) == 3


def test_without_a_counter_nothing_is_noted_of_strangers_and_keys_go_on(
    client: Client, trader: User, settings: Any
) -> None:
    _, secret = issue(trader)
    with cache_away(settings):
        assert look(client, secret) == LET_IN
        assert look(client, "junk") == KEPT_OUT
    assert told() == []


@pytest.mark.django_db(transaction=True)
def test_a_known_key_goes_on_without_postgresql_from_a_new_address_too(
    client: Client, trader: User, lines: Lines
) -> None:
    _, secret = issue(trader)
    path = "/api/orders/not-an-order"  # answered without PostgreSQL once the principal is known
    assert ask(client, "GET", path, token=secret).json()["reason"] == "order_not_found"

    with postgresql_away():
        answer = ask(client, "GET", path, address="10.0.0.9", token=secret)
        assert answer.json()["reason"] == "order_not_found"

    assert len(told("key_used")) == 1
    assert lines.of("audit_entry_not_written")


def test_an_entry_knows_the_request_it_was_written_in(db: None) -> None:
    with structlog.contextvars.bound_contextvars(address="10.0.0.9", request="abc"):
        trail.note_stranger("test", "refused", lambda: ("user:1", "because"))
    entry = AuditEntry.objects.get()
    assert (entry.principal, entry.address, entry.request) == ("nobody", "10.0.0.9", "abc")
