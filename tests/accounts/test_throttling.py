"""Who has to wait, and who does not: tries to log in, tokens that open nothing, requests of those who are known."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.api import log_in as logging_in
from accounts.api.principals import principals
from accounts.limits import Limit
from accounts.models import ApiKey, User
from copytrading.kernel import clock
from tests.accounts.knocking import (
    ADMIN_LOG_IN,
    HOME,
    KEPT_OUT,
    LET_IN,
    LOG_OUT,
    PASSWORD,
    TOO_MANY,
    admin_log_in,
    ask,
    log_in,
    look,
    token_of,
    told,
)  # fmt: skip
from tests.api.away import cache_away
from tests.fixtures.lines import Lines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("book")]

NOON = "2030-01-31T12:00:00Z"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    principals.clear()
    yield
    principals.clear()


@pytest.fixture
def trader() -> User:
    return User.objects.create_user("tess", password=PASSWORD)


@pytest.fixture
def few_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may fail five times from all addresses together."""
    monkeypatch.setattr(logging_in, "FAILURES_ANYWHERE", Limit("log_in_failures_anywhere", allowed=5, window_s=900))


def fail_from(client: Client, addresses: int, username: str = "tess") -> list[int]:
    return [log_in(client, username, "wrong", f"10.0.0.{n}").status_code for n in range(1, addresses + 1)]


@pytest.mark.usefixtures("few_anywhere")
def test_many_addresses_together_guess_no_more_than_a_few(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        assert fail_from(client, 5) == [401] * 5
        travel.shift(600)
        refused = log_in(client, address="10.0.1.1")
        assert (refused.status_code, refused["Retry-After"]) == (429, "300")
        assert refused.json()["detail"] == "Too many tries; wait 300 seconds."
        travel.shift(300)
        assert log_in(client, address="10.0.1.1").status_code == 200


@pytest.mark.usefixtures("few_anywhere")
def test_where_somebody_logged_in_from_lately_strangers_do_not_lock_the_door(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False):
        assert log_in(client, address="10.9.9.9").status_code == 200
        assert fail_from(client, 6) == [401] * 5 + [429]
        assert log_in(client, address="10.9.9.9").status_code == 200
        assert log_in(client, address="10.9.9.8").status_code == 429
        # Ten failures of his own keep him out there as anyone.
        assert [log_in(client, "tess", "wrong", "10.9.9.9").status_code for _ in range(11)] == [401] * 10 + [429]


@pytest.mark.usefixtures("few_anywhere")
def test_a_success_counts_for_nothing_anywhere(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False):
        assert [log_in(client, address=f"10.1.0.{n}").status_code for n in range(20)] == [200] * 20
        assert fail_from(client, 6) == [401] * 5 + [429]


def test_one_address_alone_locks_nobody_out_elsewhere(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False):
        assert [log_in(client, "tess", "wrong").status_code for _ in range(60)] == [401] * 10 + [429] * 50
        assert logging_in.FAILURES_ANYWHERE.look("tess").total == 10
        assert log_in(client, address="10.0.0.9").status_code == 200


def test_a_customer_with_a_whole_network_is_one_address(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False):
        answers = [log_in(client, "tess", "wrong", f"2001:db8:1:2::{n:x}").status_code for n in range(11)]
        assert answers == [401] * 10 + [429]
        assert log_in(client, address="2001:db8:1:3::1").status_code == 200


def test_a_name_that_is_nobodys_waits_as_long(client: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        assert [log_in(client, "nobody", "x").status_code for _ in range(11)] == [401] * 10 + [429]


def test_tries_at_the_api_and_at_the_admin_are_counted_together(client: Client, trader: User) -> None:
    with time_machine.travel(NOON, tick=False):
        for _ in range(5):
            assert log_in(client, "tess", "wrong").status_code == 401
            assert admin_log_in(client, "tess", "wrong").status_code == 200
        assert log_in(client).status_code == 429
        assert admin_log_in(client, "tess").status_code == 429


def test_however_many_knock_only_a_few_wait(client: Client, trader: User) -> None:
    """Every thread of the web that waits for a password to be hashed is one that does not trade."""
    log_in(client, address="10.9.9.9")
    with ExitStack() as others:
        for _ in range(3):
            assert logging_in._STRANGERS.acquire(blocking=False)
            others.callback(logging_in._STRANGERS.release)
        turned_away = log_in(client)
        # Who logged in from there lately has a place of his own.
        assert log_in(client, address="10.9.9.9").status_code == 200
    assert (turned_away.status_code, turned_away.json()["reason"], turned_away["Retry-After"]) == (*TOO_MANY, "1")
    # That was no try, and the next one has its turn.
    assert [log_in(client).status_code for _ in range(10)] == [200] * 10


def issue(user: User, *scopes: str) -> tuple[ApiKey, str]:
    return ApiKey.issue(user, "test", scopes, clock.now() + timedelta(days=1))


def test_sixty_tokens_that_open_nothing_and_postgresql_is_not_asked_any_more(client: Client, trader: User) -> None:
    known = token_of(client)
    with time_machine.travel(NOON, tick=False) as travel:
        _, secret = issue(trader, "read")
        assert look(client, secret) == LET_IN
        assert [look(client, f"junk{n}") for n in range(60)] == [KEPT_OUT] * 60
        with CaptureQueriesContext(connection) as asked:
            answer = ask(client, "GET", LOG_OUT, token="junk")
            assert [look(client, f"junk{n}") for n in range(5)] == [TOO_MANY] * 5
        assert len(asked) == 0
        assert (answer.status_code, answer["Retry-After"]) == (429, "60")
        assert answer.json()["detail"] == "Too many unknown tokens from this address; wait 60 seconds."
        # Who was proved lately goes on from the same address, and everybody from others.
        assert look(client, secret) == LET_IN
        assert look(client, "junk", "10.0.0.9") == KEPT_OUT
        travel.shift(60)
        assert look(client, "junk") == KEPT_OUT
    assert look(client, known) == LET_IN


def test_what_is_no_token_at_all_is_refused_unread_and_uncounted(client: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        for _ in range(70):
            assert look(client, "a" * 129) == KEPT_OUT
    assert len(asked) == 0
    assert look(client, "junk") == KEPT_OUT


@pytest.fixture
def slow_rate(settings: Any) -> None:
    settings.API_RATE = 2  # twenty in ten seconds


@pytest.mark.usefixtures("slow_rate")
def test_each_principal_has_a_rate_of_its_own(client: Client, trader: User) -> None:
    User.objects.create_user("otto", password=PASSWORD)
    with time_machine.travel("2030-01-31T12:00:03Z", tick=False) as travel:
        tess, again, otto = token_of(client), token_of(client), token_of(client, "otto")
        _, secret = issue(trader, "read")
        assert [look(client, tess) for _ in range(20)] == [LET_IN] * 20
        refused = ask(client, "POST", LOG_OUT, {}, token=tess)
        assert (refused.status_code, refused["Retry-After"]) == (429, "7")
        assert refused.json()["detail"] == "More than 2 requests a second; wait 7 seconds."
        # Another token of hers is no way round it, from no address; her robot and others have rates of their own.
        assert look(client, again, "10.0.0.9") == TOO_MANY
        assert (look(client, secret), look(client, otto)) == (LET_IN, LET_IN)
        travel.shift(7)
        assert look(client, tess) == LET_IN


@pytest.mark.usefixtures("slow_rate")
def test_while_nobody_counts_requests_go_on(client: Client, trader: User, settings: Any) -> None:
    token = token_of(client)
    principals.clear()
    with cache_away(settings):
        assert [look(client, token) for _ in range(30)] == [LET_IN] * 30
        assert [look(client, "junk") for _ in range(70)] == [KEPT_OUT] * 70
    assert told("token_refused") == []


def test_the_log_tells_once_who_asks_too_much(client: Client, trader: User, settings: Any, lines: Lines) -> None:
    settings.API_RATE = 1
    with time_machine.travel(NOON, tick=False):
        token = token_of(client)
        for _ in range(15):
            look(client, token)
    assert len(lines.of("requests_throttled")) == 1


def test_every_view_that_knows_its_principal_is_throttled(client: Client, trader: User, settings: Any) -> None:
    settings.API_RATE = 1
    with time_machine.travel(NOON, tick=False):
        token = token_of(client)
        for _ in range(10):
            look(client, token)
        for method, path in (
            ("POST", "/api/orders/instant/execute"),
            ("POST", "/api/orders/close"),
            ("GET", "/api/accounts/live/1"),
            ("POST", LOG_OUT),
        ):
            assert ask(client, method, path, {}, token=token).status_code == 429, path


def test_a_log_in_page_that_is_only_looked_at_is_not_counted(client: Client) -> None:
    for _ in range(70):
        assert client.get(ADMIN_LOG_IN, REMOTE_ADDR=HOME).status_code == 200
