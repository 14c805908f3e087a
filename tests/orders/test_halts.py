"""Halts of the platform, a group or an instrument: of opening or of everything, until a time or until lifted."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest

from accounts.models import Halt as HaltRecord
from copytrading.kernel import clock
from orders.answers import show_time
from orders.messages import Done
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from tests.accounts import rows
from tests.fixtures.contents import contents, nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.outage import without_database
from tests.fixtures.waiting import eventually

SCOPES = ("platform", "group:retail", "instrument:EURUSD")
BY = "user:9"


def halt(scope: str = "platform", opens_only: bool = True, until_ms: int = 0) -> None:
    assert halts.halt(Halt(scope, opens_only, "news", until_ms), BY) is None


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("opens_only", [True, False])
def test_what_a_halt_stops(floor: Floor, scope: str, opens_only: bool) -> None:
    order_id, resting = id_of(floor.open("0.5", stop_loss=D("1.0950"))), id_of(floor.place("1.0980"))
    halt(scope, opens_only)
    with nothing_done(floor.book):
        for refused in (
            floor.open("0.1"),
            floor.open("0.1", staff=True),
            floor.place("1.0980"),
            floor.modify(resting, lots=D("0.1")),
        ):
            assert reason_of(refused) == "trading_halted"
            assert (refused.detail, refused.facts) == ("news (until further notice)", {"scope": scope})
        if not opens_only:
            assert reason_of(floor.close(order_id, "0.1")) == "trading_halted"
            assert reason_of(floor.stop(order_id, "1.0960")) == "trading_halted"
    if opens_only:
        assert isinstance(floor.close(order_id, "0.1"), Done)
        assert isinstance(floor.stop(order_id, "1.0960"), Done)
    assert isinstance(floor.stop(order_id, None), Done)
    assert isinstance(floor.cancel(resting), Done)
    assert isinstance(floor.money("withdrawal", "1"), Done)
    assert halts.lift(scope, BY)
    assert isinstance(floor.open("0.1"), Done)
    assert isinstance(floor.close(order_id), Done)


@pytest.mark.parametrize("scope", ["group:other", "instrument:GBPUSD"])
def test_others_go_on(make_floor: Callable[..., Floor], scope: str) -> None:
    rows.group("other")
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    halt(scope, opens_only=False)
    order_id = id_of(floor.open("0.5"))
    assert isinstance(floor.close(order_id), Done)


def test_close_all_tells_each_orders_refusal(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    floor.quote("1.3000", "1.3002", "GBPUSD")
    halted, other = id_of(floor.open("0.1")), id_of(floor.open("0.1", symbol="GBPUSD"))
    halt("instrument:EURUSD", opens_only=False)
    done = floor.close_all()
    told = {result["order_id"]: (result["ok"], result.get("reason")) for result in done.answer["results"]}
    assert told == {halted: (False, "trading_halted"), other: (True, None)}
    assert list(floor.state().orders) == [halted]


def test_a_halt_ends_at_its_time(floor: Floor) -> None:
    until_ms = clock.now_ms() + 300
    halt(until_ms=until_ms)
    refused = floor.open("0.1")
    assert reason_of(refused) == "trading_halted"
    assert refused.facts == {"scope": "platform", "until": show_time(until_ms)}
    eventually(lambda: clock.now_ms() > until_ms + 5)
    assert isinstance(floor.open("0.1"), Done)


def test_of_two_the_wider_binds_until_both_are_lifted(floor: Floor) -> None:
    order_id = id_of(floor.open("0.5"))
    halt("instrument:EURUSD", opens_only=False)
    halt("platform", opens_only=True)
    assert [each.scope for each in halts.standing()] == ["instrument:EURUSD", "platform"]
    assert floor.open("0.1").facts == {"scope": "instrument:EURUSD"}
    halts.lift("instrument:EURUSD", BY)
    assert isinstance(floor.close(order_id), Done)
    assert floor.open("0.1").facts == {"scope": "platform"}
    halts.lift("platform", BY)
    assert halts.standing() == []
    assert isinstance(floor.open("0.1"), Done)


def test_the_record_knows_who_halted_and_lifted(floor: Floor) -> None:
    halt("platform")
    halt("platform", opens_only=False)  # replaces the first
    assert halts.lift("platform", "user:8")
    assert not halts.lift("platform", "user:8")
    first, second = HaltRecord.objects.order_by("id")
    assert (first.opens_only, first.set_by, first.lifted_by) == (True, BY, BY)
    assert (second.opens_only, second.set_by, second.lifted_by, second.reason) == (False, BY, "user:8", "news")
    assert None not in (first.lifted_at, second.lifted_at)


@pytest.mark.parametrize(
    "scope", ["", "planet", "group:", "group:Retail", "instrument:", "instrument:eurusd", "group", "instrument:EUR USD"]
)
def test_what_is_no_scope(floor: Floor, scope: str) -> None:
    with nothing_done(floor.book):
        refused = halts.halt(Halt(scope, True, "news"), BY)
        assert refused is not None
        assert (refused.reason.name, list(refused.fields)) == ("invalid_fields", ["scope"])
    assert HaltRecord.objects.count() == 0


def test_without_postgresql_a_halt_is_in_force_all_the_same(floor: Floor) -> None:
    before = contents(floor.book)
    with without_database():
        halt("platform")
        assert reason_of(floor.open("0.1")) == "trading_halted"
        assert halts.lift("platform", BY)
        assert contents(floor.book) == before
        assert isinstance(floor.open("0.1"), Done)
    assert HaltRecord.objects.count() == 0
