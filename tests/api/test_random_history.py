"""Whatever was done, and however far the recorder is: the lists are what was acknowledged, each thing once.

The model is the answers themselves: the last one about each order is what every list must show.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal as D
from itertools import pairwise
from typing import Any

import pytest

from copytrading.kernel.ids import KINDS
from orders.book import quotes
from orders.rules.facts import Market
from tests.accounts import rows as tables
from tests.api.asking import Row, account_path, record_all, record_some, refs, walk
from tests.fixtures.desk import CANCEL, CLOSE, EXECUTE, MODIFY, PLACE, Desk

STEPS = 40
LOOK_EVERY = 20


@dataclass
class History:
    """Does something at random and keeps what was answered."""

    desk: Desk
    dice: random.Random
    #: order id -> the order as of each change, oldest first
    orders: dict[str, list[Row]] = field(default_factory=dict)
    #: what moved money by hand: (kind of account, kind of movement, amount)
    moves: list[tuple[str, str, str]] = field(default_factory=list)

    def step(self) -> None:
        act = self.dice.choice([self.open, self.open, self.place, self.place, self.close, self.end, self.modify,
                                self.move, self.record, self.record])  # fmt: skip
        self.desk.quote()
        act()

    def open(self) -> None:
        self._new(EXECUTE, {"order_type": self.dice.choice(["BUY", "SELL"])})

    def place(self) -> None:
        self._new(PLACE, {"order_type": "BUY_LIMIT", "order_price": self.dice.choice(["1.0980", "1.0970"])})

    def close(self) -> None:
        if order := self._any("OPEN"):
            lots = self.dice.choice([{}, {}, {"order_quantity": "0.01"}])
            self._change(CLOSE, order, lots)

    def end(self) -> None:
        if order := self._any("PENDING"):
            self._change(CANCEL, order, {})

    def modify(self) -> None:
        if order := self._any("PENDING"):
            self._change(MODIFY, order, {"order_price": self.dice.choice(["1.0960", "1.0950"])})

    def move(self) -> None:
        kind, amount = self.dice.choice(list(KINDS)), str(self.dice.randint(1, 99))
        what = self.dice.choice(["deposit", "withdrawal", "credit_in"])
        body = {"kind": what, "amount": amount, "reason": "because"}
        assert self.desk.post(account_path(self.desk, kind, "/transfers"), body, by="dealer").status_code == 201
        self.moves.append((kind, what, amount))

    def record(self) -> None:
        record_some(self.dice.sample(refs(self.desk), self.dice.randint(1, 4)), self.dice.randint(1, 3))

    def latest(self) -> list[Row]:
        """Newest first."""
        last = [changes[-1] for changes in self.orders.values()]
        return sorted(last, key=lambda order: (order["created_at"], order["order_id"]), reverse=True)

    def fills(self) -> list[tuple[str, str, D]]:
        """(order, in or out, lots) of every change of what was filled or is open."""
        found = []
        for order_id, changes in self.orders.items():
            lots = [(D(0), D(0)), *((D(o["filled_quantity"]), D(o["open_quantity"])) for o in changes)]
            for (filled, open_), (now_filled, now_open) in pairwise(lots):
                if now_filled > filled:
                    found.append((order_id, "in", now_filled - filled))
                if now_open < open_:
                    found.append((order_id, "out", open_ - now_open))
        return sorted(found)

    def _new(self, path: str, body: Row) -> None:
        kind = self.dice.choice(list(KINDS))
        lots = self.dice.choice(["0.02", "0.03", "0.05"])
        answer = self._post(path, {**self.desk.at(kind), "symbol": "EURUSD", "order_quantity": lots, **body})
        self.orders[answer["order_id"]] = [answer]

    def _change(self, path: str, order: Row, body: Row) -> None:
        named = {name: order[name] for name in ("user_type", "user_id", "order_id")}
        self.orders[order["order_id"]].append(self._post(path, {**named, **body}))

    def _post(self, path: str, body: Row) -> Row:
        answer = self.desk.post(path, body, by="dealer")
        assert answer.status_code in (200, 201), answer.content
        order: Row = answer.json()["order"]
        return order

    def _any(self, status: str) -> Row | None:
        found = [changes[-1] for changes in self.orders.values() if changes[-1]["order_status"] == status]
        return self.dice.choice(found) if found else None


@pytest.fixture
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The market instance's time stands still, so that everything happens in one millisecond."""
    read, stopped = quotes.read, []

    def standing(*args: Any) -> Market:
        found = read(*args)
        stopped.append(found.now_ms)
        return replace(found, now_ms=stopped[0])

    monkeypatch.setattr(quotes, "read", standing)
    yield
    assert stopped


def check(history: History) -> None:
    desk, dice, orders = history.desk, history.dice, history.latest()
    for by in ("trader", "dealer"):
        limit = dice.randint(1, 9)
        assert walk(desk, "/api/orders", by, limit) == orders
        deals = walk(desk, "/api/deals", by, limit)
        assert sorted((d["order_id"], d["entry"], D(d["quantity"])) for d in deals) == history.fills()
        assert len({deal["deal_id"] for deal in deals}) == len(deals)
        assert [deal["at"] for deal in deals] == sorted((deal["at"] for deal in deals), reverse=True)
    for kind in KINDS:
        own = [order for order in orders if order["user_type"] == kind]
        assert walk(desk, "/api/orders", limit=3, **desk.at(kind)) == own
        statuses = dice.sample(["OPEN", "PENDING", "CLOSED", "CANCELLED"], dice.randint(1, 3))
        wanted = [order for order in own if order["order_status"] in statuses]
        assert walk(desk, "/api/orders", limit=2, **desk.at(kind), status=",".join(statuses)) == wanted
        transfers = walk(desk, account_path(desk, kind, "/transfers"), limit=dice.randint(1, 9))
        by_hand = [(kind, row["kind"], row["amount"]) for row in transfers if row["kind"] != "profit"]
        assert by_hand == [*(move for move in reversed(history.moves) if move[0] == kind), (kind, "deposit", "10000")]
        assert [row["version"] for row in transfers] == sorted((row["version"] for row in transfers), reverse=True)
    order_id = dice.choice(list(history.orders))
    events = desk.get(f"/api/orders/{order_id}/events").json()["events"]
    assert [event["order"] for event in events] == history.orders[order_id]


@pytest.mark.parametrize("seed", [2, 5])
def test_lists_are_what_was_acknowledged(desk: Desk, seed: int) -> None:
    _live(History(desk, random.Random(seed)))


@pytest.mark.usefixtures("_stopped_clock")
def test_so_they_are_when_everything_happens_in_one_millisecond(desk: Desk) -> None:
    history = History(desk, random.Random(3))
    _live(history)
    assert len({order["created_at"] for order in history.latest()}) == 1


def _live(history: History) -> None:
    tables.account("live", "stranger")
    for number in range(STEPS):
        history.step()
        if number % LOOK_EVERY == LOOK_EVERY - 1:
            check(history)
    record_all(refs(history.desk))
    check(history)
    assert len(history.orders) > 10
    assert {changes[-1]["order_status"] for changes in history.orders.values()} >= {"OPEN", "CLOSED", "PENDING"}
