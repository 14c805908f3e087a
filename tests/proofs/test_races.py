"""Races on purpose: what is asked at the very same moment, and what happens in the gap between load and commit."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from copytrading.kernel.ids import DEMO, LIVE
from orders.book.account import load
from orders.messages import Done
from orders.models import Deal
from orders.rules.facts import Quote
from orders.verbs import attempt
from orders.verbs.money import finish_transfer
from tests.book.together import at_once
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.proofs.by_hand import sweep

D = Decimal
both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)

Ask = Callable[[], Any]


def told(outcomes: Sequence[Any]) -> Counter[str]:
    """How often each answer was given."""
    return Counter("done" if isinstance(outcome, Done) else reason_of(outcome) for outcome in outcomes)


@dataclass
class Gap:
    """Between what a verb's attempt loads and what it decides and commits: one of `inside` happens in each."""

    inside: list[Ask]
    open: bool = False

    def __call__(self, *args: Any, **named: Any) -> Any:
        read = load(*args, **named)
        if self.inside and not self.open:
            self.open = True
            self.inside.pop(0)()
            self.open = False
        return read


@pytest.fixture
def in_the_gap(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Each of these is done in the gap of one attempt: the first in that of the first."""

    def put(*inside: Ask) -> None:
        monkeypatch.setattr(attempt, "load", Gap(list(inside)))

    return put


def clean(floor: Floor) -> None:
    """Once the sweeper has told what the race left untold, book and record agree, before and after recording."""
    sweep()
    assert floor.differences() == []
    floor.record()
    assert floor.differences() == []


class TestTwoOpensThatFitAloneButNotTogether:
    """5 lots take 5,501.50 of margin, of 10,000."""

    @both
    def test_at_once(self, floor: Floor) -> None:
        for _ in range(5):
            outcomes = at_once([lambda: floor.open("5")] * 2)
            assert told(outcomes) == {"done": 1, "insufficient_margin": 1}
            assert isinstance(floor.close(id_of(next(each for each in outcomes if isinstance(each, Done)))), Done)
        clean(floor)

    @both
    def test_in_the_gap(self, floor: Floor, in_the_gap: Callable[..., None]) -> None:
        others: list[Any] = []
        in_the_gap(lambda: others.append(floor.open("5")))
        assert reason_of(floor.open("5")) == "insufficient_margin"
        assert told(others) == {"done": 1}
        assert floor.state().portfolio.used_margin == D("5501.5")
        clean(floor)

    def test_of_many_as_many_as_fit(self, floor: Floor) -> None:
        outcomes = at_once([lambda: floor.open("1.5")] * 12)
        # Each takes 1,650.45 of margin and loses 60 at once; who loses too many races is told no more than that.
        assert told(outcomes)["done"] <= 5
        assert set(told(outcomes)) <= {"done", "insufficient_margin", "conflict"}
        while isinstance(floor.open("1.5"), Done):
            pass
        assert len(floor.state().orders) == 5
        assert floor.state().portfolio.used_margin == D("8252.25")
        clean(floor)


class TestTwoCloses:
    @both
    def test_at_once(self, floor: Floor) -> None:
        for _ in range(5):
            order_id = id_of(floor.open("1"))
            assert told(at_once([partial(floor.close, order_id)] * 2)) == {"done": 1, "order_not_open": 1}
            floor.record()
            assert Deal.objects.filter(order_id=order_id, entry="out").count() == 1
        clean(floor)

    @both
    def test_in_the_gap(self, floor: Floor, in_the_gap: Callable[..., None]) -> None:
        order_id = id_of(floor.open("1"))
        others: list[Any] = []
        in_the_gap(lambda: others.append(floor.close(order_id)))
        assert reason_of(floor.close(order_id)) == "order_not_open"
        assert told(others) == {"done": 1}
        clean(floor)

    def test_of_parts(self, floor: Floor) -> None:
        """Of an order of 1 lot three parts of 0.4 are asked for: two fit, and the rest stays open."""
        order_id = id_of(floor.open("1"))
        outcomes = at_once([lambda: floor.close(order_id, "0.4")] * 3)
        assert told(outcomes) == {"done": 2, "invalid_order_quantity": 1}
        assert floor.order(order_id).open_lots == D("0.2")
        clean(floor)


class TestOneKeyTwentyTimesAtOnce:
    @both
    def test_one_order_and_twenty_equal_answers(self, floor: Floor) -> None:
        outcomes = at_once([lambda: floor.open("0.5", key="same")] * 20)
        answers = [outcome.answer for outcome in outcomes]
        assert answers == [answers[0]] * 20
        assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 19
        assert len(floor.state().orders) == 1
        clean(floor)

    def test_one_transfer(self, floor: Floor) -> None:
        outcomes = at_once([lambda: floor.transfer(DEMO, "100", key="same")] * 20)
        assert {outcome.command_id for outcome in outcomes} == {outcomes[0].command_id}
        assert told(outcomes) == {"done": 20}
        floor.transfer(DEMO, "100", key="same")
        assert (floor.state(LIVE).portfolio.balance, floor.state(DEMO).portfolio.balance) == (D(9900), D(10100))
        assert floor.state(LIVE).under_way == {}
        clean(floor)

    def test_with_two_bodies_one_of_them_is_carried_out(self, floor: Floor) -> None:
        outcomes = at_once([partial(floor.open, lots, key="same") for lots in ("0.5", "0.6") * 10])
        assert told(outcomes) == {"done": 10, "idempotency_mismatch": 10}
        assert len(floor.state().orders) == 1
        clean(floor)


class TestCancelAgainstFire:
    """A BUY_LIMIT at 1.0980, and a quote that touches it."""

    @pytest.fixture
    def resting(self, floor: Floor) -> str:
        return id_of(floor.place("1.0980"))

    @pytest.fixture
    def touch(self, floor: Floor, resting: str) -> Quote:
        return floor.quote("1.0970", "1.0972")

    @both
    def test_at_once(self, floor: Floor) -> None:
        for _ in range(5):
            floor.quote()
            resting = id_of(floor.place("1.0980"))
            touch = floor.quote("1.0970", "1.0972")
            cancelled, fired = at_once([partial(floor.cancel, resting), partial(floor.fire, resting, "price", touch)])
            status = floor.order(resting).status
            if isinstance(fired, Done):
                assert (status, reason_of(cancelled)) == ("OPEN", "order_not_pending")
                floor.close(resting)
            else:
                assert (status, reason_of(fired)) == ("CANCELLED", "stop_not_set")
                assert isinstance(cancelled, Done)
        clean(floor)

    def test_cancelled_in_the_gap_of_the_fire(
        self, floor: Floor, resting: str, touch: Quote, in_the_gap: Callable[..., None]
    ) -> None:
        in_the_gap(lambda: floor.cancel(resting))
        assert reason_of(floor.fire(resting, "price", touch)) == "stop_not_set"
        assert floor.order(resting).status == "CANCELLED"
        assert floor.state().portfolio.exposures == {}
        clean(floor)

    def test_fired_in_the_gap_of_the_cancel(
        self, floor: Floor, resting: str, touch: Quote, in_the_gap: Callable[..., None]
    ) -> None:
        in_the_gap(lambda: floor.fire(resting, "price", touch))
        assert reason_of(floor.cancel(resting)) == "order_not_pending"
        assert floor.order(resting).status == "OPEN"
        clean(floor)

    def test_two_monitors_fire_one_level_once(self, floor: Floor, resting: str, touch: Quote) -> None:
        outcomes = at_once([lambda: floor.fire(resting, "price", touch, key="level")] * 2)
        assert told(outcomes) == {"done": 2}
        assert sorted(outcome.replayed for outcome in outcomes) == [False, True]
        floor.record()
        assert Deal.objects.filter(order_id=resting).count() == 1
        clean(floor)

    def test_a_stop_that_was_moved_in_the_gap_does_not_fire(
        self, floor: Floor, in_the_gap: Callable[..., None]
    ) -> None:
        order_id = id_of(floor.open("0.5", stop_loss=D("1.0950")))
        touch = floor.quote("1.0951", "1.0953")
        in_the_gap(lambda: floor.stop(order_id, "1.0900"))
        assert reason_of(floor.fire(order_id, "stop_loss", touch)) == "stop_not_set"
        assert floor.order(order_id).stop_loss == D("1.0900")
        clean(floor)


@both
def test_twenty_mixed_verbs_on_one_order(floor: Floor) -> None:
    """Each is done or refused for a reason that some order of the twenty gives; the position ends as the deals say."""
    order_id = id_of(floor.open("1", stop_loss=D("1.0900")))
    touch = floor.quote("1.0901", "1.0903")
    asks: list[Ask] = [
        *[lambda: floor.close(order_id, "0.1")] * 6,
        *[lambda: floor.stop(order_id, "1.0890")] * 4,
        *[lambda: floor.take(order_id, "1.1100")] * 4,
        *[lambda: floor.take(order_id, None)] * 2,
        *[lambda: floor.fire(order_id, "stop_loss", touch)] * 2,
        *[lambda: floor.modify(order_id, order_price=D("1.0800"))] * 1,
        *[lambda: floor.cancel(order_id)] * 1,
    ]
    random.Random(7).shuffle(asks)
    assert len(asks) == 20
    outcomes = at_once(asks)
    assert set(told(outcomes)) <= {"done", "order_not_open", "stop_not_set", "order_not_pending", "conflict"}
    assert told(outcomes)["order_not_pending"] == 2
    order = floor.order(order_id)
    floor.record()
    out = Deal.objects.filter(order_id=order_id, entry="out")
    assert sum((deal.lots for deal in out), D(0)) == D(1) - order.open_lots
    assert sum((deal.profit for deal in out), D(0)) == order.profit
    assert out.count() == len([1 for deal in out if deal.lots == D("0.1")]) + (order.status == "CLOSED")
    clean(floor)


@both
def test_transfers_there_and_back_at_once(floor: Floor) -> None:
    asks: list[Ask] = [
        *[lambda: floor.transfer(DEMO, "100", LIVE)] * 3,
        *[lambda: floor.transfer(LIVE, "30", DEMO)] * 3,
    ]
    outcomes = at_once(asks)
    assert set(told(outcomes)) <= {"done", "conflict"}
    there = told(outcomes[:3])["done"]
    back = told(outcomes[3:])["done"]
    for outcome, source in zip(outcomes, [LIVE] * 3 + [DEMO] * 3, strict=True):
        if isinstance(outcome, Done):
            while floor.state(source).under_way:
                for transfer_id in floor.state(source).under_way:
                    finish_transfer(floor.ref(source), transfer_id)
    assert floor.state(LIVE).portfolio.balance == D(10_000) - 100 * there + 30 * back
    assert floor.state(DEMO).portfolio.balance == D(10_000) + 100 * there - 30 * back
    clean(floor)


def test_who_loses_every_race_is_told_conflict_and_nothing_is_done(
    floor: Floor, in_the_gap: Callable[..., None]
) -> None:
    before = floor.state().portfolio
    in_the_gap(*[lambda: floor.money("deposit", "1")] * 8)
    assert reason_of(floor.open("0.5")) == "conflict"
    assert floor.state().portfolio.version == before.version + 8
    assert floor.state().orders == {}
    clean(floor)


def test_who_loses_all_races_but_the_last_is_served(floor: Floor, in_the_gap: Callable[..., None]) -> None:
    in_the_gap(*[lambda: floor.money("deposit", "1")] * 7)
    assert isinstance(floor.open("0.5"), Done)
    assert floor.state().portfolio.balance == D(10_007)
    clean(floor)
