"""Counting in the shared cache: windows, one round trip, addresses, and going on when nobody counts."""

from typing import Any

import pytest
import time_machine
from django_redis import get_redis_connection

from accounts.limits import Limit, Permits, network, unless_away
from copytrading.kernel import clock
from tests.api.away import cache_away
from tests.fixtures.book import Book
from tests.fixtures.lines import Lines

pytestmark = pytest.mark.usefixtures("book")

THREE = Limit("test", allowed=3, window_s=60)


def test_a_window_has_room_for_what_is_allowed_and_the_next_one_again() -> None:
    with time_machine.travel("2030-01-31T12:00:20Z", tick=False) as travel:
        counts = [THREE.count("ann") for _ in range(5)]
        assert [count.total for count in counts] == [1, 2, 3, 4, 5]
        assert [count.beyond for count in counts] == [-2, -1, 0, 1, 2]
        assert {count.wait_s for count in counts} == {40}
        travel.shift(39.9)
        assert THREE.count("ann").total == 6
        travel.shift(0.1)
        assert THREE.count("ann").total == 1


def test_permits_are_taken_many_at_a_time_and_never_more_than_there_are() -> None:
    limit = Limit("many", allowed=250, window_s=60)
    here, there = Permits(), Permits()
    with time_machine.travel("2030-01-31T12:00:20Z", tick=False) as travel:
        assert here.count(limit, "ann") is None
        assert limit.look("ann").total == 2  # a hundredth of 250
        let_in = 1 + sum(each.count(limit, "ann") is None for _ in range(150) for each in (here, there))
        assert let_in == 250
        beyond = [counted.beyond for _ in range(3) if (counted := here.count(limit, "ann"))]
        assert beyond == sorted(beyond)
        assert beyond[0] > 0
        assert here.count(limit, "bob") is None
        travel.shift(60)
        assert here.count(limit, "ann") is None


def test_a_small_limit_is_counted_one_by_one() -> None:
    with time_machine.travel("2030-01-31T12:00:20Z", tick=False):
        here, there = Permits(), Permits()
        outcomes = [each.count(THREE, "ann") for each in (here, there, here, there, here)]
        assert [counted and counted.beyond for counted in outcomes] == [None, None, None, 1, 2]


def test_each_who_and_each_limit_counts_for_itself() -> None:
    with time_machine.travel("2030-01-31T12:00:20Z", tick=False):
        THREE.count("ann", "b")
        assert THREE.count("ann", "c").total == 1
        assert THREE.count("an", "nb").total == 1
        assert Limit("other", 3, 60).count("ann", "b").total == 1
        assert THREE.count("ann", "b").total == 2


def test_looking_counts_nothing() -> None:
    with time_machine.travel("2030-01-31T12:00:20Z", tick=False):
        assert (THREE.look("ann").total, THREE.look("ann").total) == (0, 0)
        THREE.count("ann")
        assert THREE.look("ann").total == 1


def test_one_is_taken_back_or_all_are_forgiven() -> None:
    with time_machine.travel("2030-01-31T12:00:20Z", tick=False):
        for _ in range(3):
            THREE.count("ann")
        THREE.take_back("ann")
        assert THREE.look("ann").total == 2
        assert (THREE.forgive("ann"), THREE.forgive("ann")) == (2, 0)
        assert THREE.count("ann").total == 1


def test_every_counter_has_an_end(book: Book) -> None:
    THREE.count("ann")
    THREE.take_back("bob")
    kept = [key for key in book.market.scan_iter() if key.startswith("cache:")]
    assert len(kept) == 2
    assert all(60 <= book.market.ttl(key) <= 120 for key in kept)


def test_counting_takes_one_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    THREE.count("ann")
    connection = get_redis_connection("default").connection_pool.connection_kwargs
    assert (connection["socket_timeout"], connection["socket_connect_timeout"]) == (0.5, 0.5)
    pool = get_redis_connection("default").connection_pool
    made = pool.get_connection()
    pool.release(made)
    sent: list[Any] = []
    send = type(made).send_packed_command

    def counted(self: Any, command: Any, check_health: bool = True) -> None:
        sent.append(command)
        send(self, command, check_health)

    monkeypatch.setattr(type(made), "send_packed_command", counted)
    THREE.count("ann")
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", ""),
        ("10.0.0.9, 10.0.0.8", ""),
        ("x" * 5000, ""),
        ("10.0.0.9\r\nX: y", ""),
    ],
)
def test_whom_an_address_stands_for(address: str, counted_as: str) -> None:
    assert network(address) == counted_as


def test_without_a_counter_one_goes_on_and_the_log_says_so_once_a_minute(
    settings: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    now: list[float] = []
    monkeypatch.setattr(clock, "monotonic", lambda: now[-1])

    def question() -> int:
        asked.append(now[-1])
        return THREE.count("ann").total

    def count_at(moment_s: float) -> int | None:
        now.append(moment_s)
        return unless_away(question)

    with cache_away(settings):
        assert [count_at(moment_s) for moment_s in (1_000.0, 1_000.9, 1_001.0, 1_030.0, 1_059.0)] == [None] * 5
        # Not at 1,000.9: what just failed is not waited for again at once.
        assert asked == [1_000.0, 1_001.0, 1_030.0, 1_059.0]
        assert len(lines.of("nothing_is_limited")) == 1
        assert count_at(1_060.0) is None
        assert len(lines.of("nothing_is_limited")) == 2
    assert count_at(1_062.0) == 1
