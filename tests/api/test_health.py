"""What is down is said by name, and only what trading needs makes the answer a 503."""

from typing import Any

import pytest

from accounts import catalogue
from accounts.models import Group, Instrument
from copytrading.kernel import clock
from orders.book import connection, keys
from orders.readiness import WORKERS
from tests.api.away import postgresql_away, redis_away
from tests.fixtures.desk import Desk


def beat(desk: Desk, *workers: str) -> None:
    for worker in workers:
        desk.book.market.hset(keys.heartbeat(worker, "here-1"), "at_ms", str(clock.now_ms()))


def ready(desk: Desk) -> tuple[int, bool, list[str]]:
    answer = desk.get("/readyz", by=None)
    told = answer.json()
    assert sorted(told["checks"]) == ["database", "feed", "ledger", "market", "workers"]
    assert told["trading"] is (answer.status_code == 200)
    return answer.status_code, told["ok"], told["down"]


def test_a_living_process_says_so(desk: Desk) -> None:
    answer = desk.get("/healthz", by=None)

    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_all_is_up(desk: Desk) -> None:
    beat(desk, *WORKERS)

    assert ready(desk) == (200, True, [])


@pytest.mark.parametrize("missing", WORKERS)
def test_a_worker_without_heartbeat_is_named_and_trading_goes_on(desk: Desk, missing: str) -> None:
    beat(desk, *(worker for worker in WORKERS if worker != missing))

    assert ready(desk) == (200, False, ["workers"])
    assert desk.get("/readyz", by=None).json()["checks"]["workers"]["missing"] == [missing]


def test_without_postgresql_trading_goes_on(desk: Desk) -> None:
    beat(desk, *WORKERS)
    order = desk.buy()

    with postgresql_away():
        assert ready(desk) == (200, False, ["database"])
        closed = desk.post("/api/orders/close", {**desk.at("live"), "order_id": order})
        assert closed.json()["order"]["order_status"] == "CLOSED"


def test_without_the_ledger_nothing_is_traded(desk: Desk, settings: Any) -> None:
    beat(desk, *WORKERS)
    with redis_away(settings, "LEDGER_URL"):
        status, ok, down = ready(desk)
        assert (status, ok, down[0]) == (503, False, "ledger")
        answer = desk.post("/api/orders/close-all", desk.at("live"))
        assert (answer.status_code, answer.json()["reason"]) == (503, "ledger_unavailable")
        assert answer["Retry-After"] == "5"
        assert "127.0.0.1" not in answer.content.decode()


def test_a_ledger_that_restarted_and_was_not_checked_is_down(desk: Desk) -> None:
    beat(desk, *WORKERS)
    desk.book.market.delete(keys.LEDGER_CLEARED)
    connection.close_all()

    status, ok, down = ready(desk)

    assert (status, ok, down[0]) == (503, False, "ledger")


def test_without_the_market_instance_there_are_no_prices(desk: Desk, settings: Any) -> None:
    with redis_away(settings, "MARKET_URL"):
        status, ok, down = ready(desk)

    assert (status, ok) == (503, False)
    assert {"market", "feed", "workers"} <= set(down)


def test_a_feed_without_a_current_price_is_down(desk: Desk) -> None:
    beat(desk, *WORKERS)
    desk.book.market.hset(keys.market("EURUSD"), "stamp", str(clock.now_ms() - 60_000))

    assert ready(desk) == (503, False, ["feed"])
    feed = desk.get("/readyz", by=None).json()["checks"]["feed"]
    assert (feed["open"], feed["fresh"]) == (1, 0)
    assert 60_000 <= feed["age_ms"] < 70_000


def test_no_price_is_missed_while_every_market_is_closed(desk: Desk) -> None:
    Group.objects.update(ignore_hours=False)
    Instrument.objects.update(sessions=[])
    catalogue.forget()
    desk.book.market.delete(keys.market("EURUSD"))
    beat(desk, *WORKERS)

    assert ready(desk) == (200, True, [])
