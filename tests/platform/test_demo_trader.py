"""The customer who never sleeps keeps to his limits and trades as everybody does."""

import threading

import pytest

from copytrading.kernel.ids import DEMO
from orders.messages import Done
from orders.models import Deal
from orders.verbs import carry_out
from tests.fixtures.floor import Floor
from workers import demo_trader
from workers.demo_trader import DemoTrader


@pytest.fixture
def trader(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> DemoTrader:
    monkeypatch.setattr(demo_trader, "PAUSE_S", (0.0, 0.0))
    return DemoTrader(floor.accounts[DEMO], "user:1", seed=7, stop=threading.Event())


def test_he_trades_within_his_limits_and_the_record_agrees(floor: Floor, trader: DemoTrader) -> None:
    for step in range(80):
        bid = 11_000 + step % 7
        floor.quote(f"1.{bid}", f"1.{bid + 2}")
        assert trader.step() is False
        statuses = [order.status for order in floor.state(DEMO).orders.values()]
        assert statuses.count("OPEN") <= demo_trader.MOST_OPEN
        assert statuses.count("PENDING") <= demo_trader.MOST_PENDING
    floor.record()
    assert floor.differences() == []
    assert set(Deal.objects.values_list("entry", flat=True)) == {"in", "out"}
    assert Deal.objects.count() > 20


def test_the_same_seed_decides_the_same(floor: Floor, trader: DemoTrader) -> None:
    state = floor.state(DEMO)
    twin = DemoTrader(trader.account, "user:1", seed=7, stop=threading.Event())
    trader._run = twin._run = "run"
    assert [trader.decide(state) for _ in range(10)] == [twin.decide(state) for _ in range(10)]


def test_an_unanswered_command_is_sent_again_with_its_key(floor: Floor, trader: DemoTrader) -> None:
    command = trader._open(floor.state(DEMO))
    assert command is not None
    assert isinstance(carry_out(command), Done)
    trader._unanswered = command
    trader.step()
    assert len(floor.state(DEMO).orders) == 1
    assert trader._unanswered is None
