"""Logging in and out, tokens and keys: over HTTP, on a real PostgreSQL and a real Redis."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from knox.models import AuthToken

from accounts.api import principals as remembering
from accounts.api import throttling
from accounts.api.authentication import prove
from accounts.api.principals import principals
from accounts.limits import Limit
from accounts.models import ApiKey, Role, User
from copytrading.kernel import clock
from tests.api.away import postgresql_away
from tests.fixtures.book import Book
from tests.fixtures.lines import Lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("book")]

LOG_IN = "/api/auth/login"
LOG_OUT = "/api/auth/logout"
PASSWORD = "correct horse battery staple"
NOWHERE = "/api/orders/ord_l1_0000000000000"  # needs a principal, and finds nothing


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    principals.clear()
    yield
    principals.clear()


@pytest.fixture
def trader() -> User:
    return User.objects.create_user("tess", password=PASSWORD)


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body or {})
    return client.post(path, raw, content_type="application/json", headers=headers)


def log_in(client: Client, username: str = "tess", password: str = PASSWORD, **headers: str) -> Any:
    return post(client, LOG_IN, {"username": username, "password": password}, **headers)


def look(client: Client, authorization: str | None) -> tuple[int, str]:
    """Status and reason of a request that needs a principal; 404 means that it was let in."""
    answer = client.get(NOWHERE, headers={} if authorization is None else {"Authorization": authorization})
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["reason"]


LET_IN = (404, "order_not_found")
KEPT_OUT = (401, "not_authenticated")


def test_a_user_logs_in_uses_the_token_and_logs_out(client: Client, trader: User) -> None:
    answer = log_in(client)

    assert answer.status_code == 200
    given = answer.json()
    token = given["token"]
    expiry = AuthToken.objects.get().expiry
    assert expiry is not None
    assert given == {
        "ok": True,
        "token": token,
        "expires_at": expiry.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "user": {"id": trader.pk, "username": "tess", "role": "trader"},
    }
    assert answer["Cache-Control"] == "no-store"
    assert AuthToken.objects.get().digest != token
    assert look(client, f"Bearer {token}") == LET_IN
    assert look(client, f"bearer {token}") == LET_IN

    out = post(client, LOG_OUT, Authorization=f"Bearer {token}")

    assert (out.status_code, out.json()) == (200, {"ok": True})
    assert look(client, f"Bearer {token}") == KEPT_OUT
    assert AuthToken.objects.count() == 0


def test_logging_out_ends_one_token_and_leaves_the_others(client: Client, trader: User) -> None:
    one, other = log_in(client).json()["token"], log_in(client).json()["token"]

    post(client, LOG_OUT, Authorization=f"Bearer {one}")

    assert look(client, f"Bearer {one}") == KEPT_OUT
    assert look(client, f"Bearer {other}") == LET_IN


def test_a_token_ends_when_it_expires_and_the_next_log_in_sweeps_it(client: Client, trader: User) -> None:
    token = log_in(client).json()["token"]
    expiry = AuthToken.objects.get().expiry
    assert expiry is not None

    with time_machine.travel(expiry - timedelta(seconds=1), tick=False):
        assert look(client, f"Bearer {token}") == LET_IN
    with time_machine.travel(expiry, tick=False):
        assert look(client, f"Bearer {token}") == KEPT_OUT
        principals.clear()
        assert look(client, f"Bearer {token}") == KEPT_OUT
        assert log_in(client).status_code == 200
        assert AuthToken.objects.count() == 1


def test_wrong_password_unknown_user_and_inactive_user_get_one_answer(client: Client, trader: User) -> None:
    User.objects.create_user("gone", password=PASSWORD, is_active=False)

    answers = [log_in(client, "tess", "wrong"), log_in(client, "nobody", "wrong"), log_in(client, "gone")]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["detail"] == "The user name or the password is wrong."
    assert AuthToken.objects.count() == 0


def test_a_wrong_password_costs_as_much_hashing_as_an_unknown_user(
    client: Client, trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    counts = []
    for name in ("tess", "nobody"):
        hashed.clear()
        log_in(client, name, "wrong")
        counts.append(len(hashed))

    assert counts[0] == counts[1] >= 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "missing_fields", ["username", "password"])),
        ({"username": "tess"}, (400, "missing_fields", ["password"])),
        ({"username": "tess", "password": "x", "role": "administrator"}, (400, "unknown_field", ["role"])),
        ({"username": "te\x00ss", "password": "x"}, (400, "invalid_fields", ["username"])),
        ({"username": "x" * 151, "password": "x"}, (400, "invalid_fields", ["username"])),
        ({"username": ["tess"], "password": {"a": 1}}, (400, "invalid_fields", ["username", "password"])),
        ({"username": None, "password": 1}, (400, "invalid_fields", ["username", "password"])),
        ({"username": "tess", "password": "x" * 257}, (400, "invalid_fields", ["password"])),
        ({"username": "tess", "password": "x\x00"}, (401, "not_authenticated", [])),
    ],
)
def test_log_in_bodies_that_are_refused(
    client: Client, trader: User, body: dict[str, Any], expected: tuple[int, str, list[str]]
) -> None:
    answer = post(client, LOG_IN, body)

    assert (answer.status_code, answer.json()["reason"], list(answer.json()["fields"])) == expected


def test_after_ten_failures_a_user_name_waits_and_others_do_not(client: Client, trader: User) -> None:
    User.objects.create_user("otto", password=PASSWORD)
    with time_machine.travel("2030-01-31T12:01:00Z", tick=False):
        failures = [log_in(client, password="wrong").status_code for _ in range(10)]
        eleventh = log_in(client)  # even with the right password

        assert failures == [401] * 10
        assert (eleventh.status_code, eleventh.json()["reason"]) == (429, "rate_limited")
        assert eleventh["Retry-After"] == "240"
        assert log_in(client, "otto").status_code == 200
        assert (
            client.post(
                LOG_IN,
                {"username": "tess", "password": PASSWORD},
                content_type="application/json",
                REMOTE_ADDR="10.0.0.9",
            ).status_code
            == 200
        )
    with time_machine.travel("2030-01-31T12:05:00Z", tick=False):
        assert log_in(client).status_code == 200


def test_a_success_forgives_the_failures_before_it(client: Client, trader: User) -> None:
    for _ in range(3):
        assert [log_in(client, password="wrong").status_code for _ in range(9)] == [401] * 9
        assert log_in(client).status_code == 200


def test_tries_from_one_address_are_counted_whatever_they_are(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "LOG_IN_TRIES", Limit("log_in", allowed=3, window_s=60))
    with time_machine.travel("2030-01-31T12:00:20Z", tick=False):
        statuses = [post(client, LOG_IN, body).status_code for body in (b"{", {}, {"username": "a", "password": "b"})]
        fourth = post(client, LOG_IN, {})

    assert statuses == [400, 400, 401]
    assert (fourth.status_code, fourth.json()["reason"], fourth["Retry-After"]) == (429, "rate_limited", "40")


def test_a_made_up_forwarding_header_is_no_way_round_the_count(client: Client, trader: User) -> None:
    answers = [log_in(client, password="wrong", **{"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(11)]

    assert answers[-1].status_code == 429


def test_what_was_typed_does_not_become_part_of_a_cache_key(client: Client, book: Book) -> None:
    log_in(client, "tess-who-typed-this")

    kept = [key for key in book.market.scan_iter() if key.startswith("cache:")]
    assert any("log_in_failures_anywhere" in key for key in kept)
    assert not any("tess" in key for key in kept)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  two-blanks",
        "Bearer two words",
        "Basic dGVzczp4",
        "Token abc",
        "Bearer unknown",
        "Bearer ct_abcdefgh_unknown",
        "Bearer ct_",
        "Bearer " + "a" * 129,
        "Bearer \x00",
        "Bearer caf\xe9",
        "Bearer a\tb",
    ],
)
def test_authorization_that_opens_nothing(client: Client, authorization: str | None) -> None:
    assert look(client, authorization) == KEPT_OUT
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = client.get(NOWHERE, headers=headers)
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def issue(user: User, *scopes: str, days: float = 1) -> tuple[ApiKey, str]:
    return ApiKey.issue(user, "test", scopes, clock.now() + timedelta(days=days))


def test_a_key_opens_until_it_is_revoked_and_then_at_once_nothing(client: Client, trader: User) -> None:
    key, secret = issue(trader, "read")
    assert look(client, f"Bearer {secret}") == LET_IN

    key.revoke()

    assert look(client, f"Bearer {secret}") == KEPT_OUT


def test_a_key_ends_when_it_expires(client: Client, trader: User) -> None:
    key, secret = issue(trader, "read")
    assert look(client, f"Bearer {secret}") == LET_IN

    with time_machine.travel(key.expires_at, tick=False):
        assert look(client, f"Bearer {secret}") == KEPT_OUT
        principals.clear()
        assert look(client, f"Bearer {secret}") == KEPT_OUT


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(client: Client, trader: User) -> None:
    key, secret = issue(trader, "read")
    noted = []
    with time_machine.travel("2030-01-31T12:00:00Z", tick=False) as travel:
        key.expires_at = clock.now() + timedelta(days=1)
        key.save()
        for _ in range(3):
            principals.clear()
            look(client, f"Bearer {secret}")
            key.refresh_from_db()
            noted.append(key.last_used_at)
            travel.shift(45)

    assert [f"{moment:%H:%M:%S}" for moment in noted] == ["12:00:00", "12:00:00", "12:01:30"]


def test_a_user_who_is_switched_off_is_out_at_once_with_tokens_and_keys(client: Client, trader: User) -> None:
    token, (_, secret) = log_in(client).json()["token"], issue(trader, "read")
    assert [look(client, f"Bearer {each}") for each in (token, secret)] == [LET_IN, LET_IN]

    trader.is_active = False
    trader.save()

    assert [look(client, f"Bearer {each}") for each in (token, secret)] == [KEPT_OUT, KEPT_OUT]


def test_a_key_loses_the_dealer_scope_with_its_owners_role(client: Client) -> None:
    dealer = User.objects.create_user("dora", password=PASSWORD, role=Role.DEALER)
    _, secret = issue(dealer, "dealer")
    transfers = "/api/accounts/live/999/transfers"
    money = {"kind": "deposit", "amount": "1", "reason": "test"}
    assert post(client, transfers, money, Authorization=f"Bearer {secret}").json()["reason"] == "account_not_found"

    dealer.role = Role.TRADER
    dealer.save()

    proof = prove(secret)
    assert proof is not None
    assert proof.principal.scopes == frozenset()


def test_a_key_has_no_session_to_log_out_of(client: Client, trader: User) -> None:
    _, secret = issue(trader, "read")

    answer = post(client, LOG_OUT, Authorization=f"Bearer {secret}")

    assert (answer.status_code, answer.json()["reason"]) == (403, "not_permitted")
    assert look(client, f"Bearer {secret}") == LET_IN


@pytest.mark.django_db(transaction=True)
def test_while_postgresql_is_away_known_tokens_go_on_and_unknown_ones_are_put_off(
    client: Client, trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unseen = log_in(client).json()["token"], log_in(client).json()["token"]
    _, secret = issue(trader, "read")
    path = "/api/orders/not-an-order"  # answered without PostgreSQL once the principal is known
    monkeypatch.setattr(remembering, "FRESH_FOR_S", 0.0)  # so that every request asks again
    for each in (known, secret):
        assert client.get(path, headers={"Authorization": f"Bearer {each}"}).json()["reason"] == "order_not_found"

    with postgresql_away():
        for each in (known, secret):
            assert client.get(path, headers={"Authorization": f"Bearer {each}"}).json()["reason"] == "order_not_found"
        answer = client.get(path, headers={"Authorization": f"Bearer {unseen}"})
        assert (answer.status_code, answer.json()["reason"]) == (503, "record_unavailable")
        assert answer["Retry-After"] == "5"
        assert log_in(client).json()["reason"] == "record_unavailable"

    assert client.get(path, headers={"Authorization": f"Bearer {unseen}"}).json()["reason"] == "order_not_found"


def test_log_in_is_put_off_when_tries_cannot_be_counted(client: Client, trader: User, settings: Any) -> None:
    location = settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": location}

    answer = log_in(client)

    assert (answer.status_code, answer.json()["reason"]) == (503, "record_unavailable")


def test_no_answer_and_no_log_line_repeats_a_secret(
    client: Client, trader: User, caplog: pytest.LogCaptureFixture, lines: Lines
) -> None:
    with caplog.at_level("DEBUG"):
        token = log_in(client).json()["token"]
        refused = log_in(client, password="a-wrong-password-typed")
        unknown = client.get(NOWHERE, headers={"Authorization": "Bearer a-token-typed-wrong"})

    assert b"a-wrong-password-typed" not in refused.content
    assert b"a-token-typed-wrong" not in unknown.content
    for secret in (PASSWORD, token, "a-wrong-password-typed", "a-token-typed-wrong"):
        assert secret not in caplog.text
        assert secret not in lines.text.getvalue()
