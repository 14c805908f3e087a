"""What a process remembers of tokens: for how long, how many, and what while PostgreSQL is away."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import InterfaceError, OperationalError

from accounts.access import Principal, scopes_of_role
from accounts.api.principals import PrincipalCache, Proof

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


class Record:
    """PostgreSQL, as far as a token is concerned: answers, counts how often it was asked, and may be away."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked = 0
        self.away: type[Exception] | None = None
        self.proofs: dict[str, Proof] = {}
        self.cache = PrincipalCache(capacity=3, now_s=lambda: self.now_s)

    def knows(self, token: str, user_id: int, expires_at: datetime | None = None) -> Principal:
        principal = Principal("user", user_id, f"user{user_id}", "trader", scopes_of_role("trader"), user_id)
        self.proofs[token] = Proof(principal, expires_at)
        return principal

    def ask(self, token: str) -> Proof | None:
        self.asked += 1
        if self.away:
            raise self.away("connection refused")
        return self.proofs.get(token)

    def resolve(self, token: str) -> Principal | None:
        return self.cache.resolve(token, self.ask)


@pytest.fixture
def record() -> Record:
    return Record()


def test_a_principal_is_asked_for_once_in_five_seconds(record: Record) -> None:
    known = record.knows("token", 1)

    assert [record.resolve("token") for _ in range(3)] == [known, known, known]
    record.now_s = 4.9
    assert (record.resolve("token"), record.asked) == (known, 1)
    record.now_s = 5.0
    assert (record.resolve("token"), record.asked) == (known, 2)


def test_a_token_revoked_elsewhere_ends_within_five_seconds(record: Record) -> None:
    known = record.knows("token", 1)
    assert record.resolve("token") == known

    del record.proofs["token"]
    record.now_s = 5.0

    assert record.resolve("token") is None
    assert len(record.cache) == 0


def test_an_unknown_token_is_not_remembered(record: Record) -> None:
    assert record.resolve("token") is None
    known = record.knows("token", 1)
    assert record.resolve("token") == known


@pytest.mark.parametrize("away", [OperationalError, InterfaceError])
def test_a_proved_principal_goes_on_for_ten_minutes_without_postgresql(record: Record, away: type[Exception]) -> None:
    known = record.knows("token", 1)
    assert record.resolve("token") == known
    record.away = away

    for record.now_s in (5.0, 60.0, 599.9):
        assert record.resolve("token") == known
    record.now_s = 605.0

    with pytest.raises(away):
        record.resolve("token")


def test_while_postgresql_is_away_it_is_asked_once_in_five_seconds_a_token(record: Record) -> None:
    record.knows("token", 1)
    record.resolve("token")
    record.away = OperationalError

    for record.now_s in (10.0, 11.0, 14.9):
        record.resolve("token")

    assert record.asked == 2


def test_a_token_never_proved_here_is_not_refused_but_put_off_while_postgresql_is_away(record: Record) -> None:
    record.away = OperationalError

    with pytest.raises(OperationalError):
        record.resolve("token")


def test_when_postgresql_is_back_the_ten_minutes_start_again(record: Record) -> None:
    known = record.knows("token", 1)
    record.resolve("token")
    record.now_s = 500.0
    record.resolve("token")
    record.away = OperationalError
    record.now_s = 1_090.0

    assert record.resolve("token") == known


def test_a_remembered_token_still_ends_when_it_expires(record: Record) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        known = record.knows("token", 1, expires_at=NOON + timedelta(seconds=2))
        assert record.resolve("token") == known
        record.away = OperationalError
        travel.shift(2)

        assert record.resolve("token") is None


def test_forgetting_a_user_drops_all_tokens_of_that_user_and_no_others(record: Record) -> None:
    for token, user_id in (("a", 1), ("b", 1), ("c", 2)):
        record.knows(token, user_id)
        record.resolve(token)
    record.proofs.clear()

    record.cache.forget(user_id=1)

    assert [record.resolve(token) is None for token in "abc"] == [True, True, False]


def test_forgetting_a_token_drops_that_one(record: Record) -> None:
    for token in "ab":
        record.knows(token, 1)
        record.resolve(token)
    record.proofs.clear()

    record.cache.forget_token("a")

    assert [record.resolve(token) is None for token in "ab"] == [True, False]


def test_the_oldest_goes_when_there_are_too_many(record: Record) -> None:
    for token in "abcd":
        record.knows(token, 1)
        record.resolve(token)
    assert len(record.cache) == 3

    record.asked = 0
    for token in "bcd":
        record.resolve(token)
    assert record.asked == 0
    record.resolve("a")
    assert record.asked == 1


def test_the_token_itself_is_not_kept(record: Record) -> None:
    record.knows("very-secret-token", 1)
    record.resolve("very-secret-token")

    assert "very-secret-token" not in repr(vars(record.cache))
