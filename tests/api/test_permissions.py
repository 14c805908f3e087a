"""Who may do what, on every kind of account: each verb by everyone, and what was refused did nothing."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from copytrading.kernel.ids import COPY_FOLLOWER, KINDS, STRATEGY_PROVIDER
from tests.api.asking import Row, refused
from tests.fixtures.desk import (
    CANCEL,
    CLOSE,
    CLOSE_ALL,
    EXECUTE,
    MODIFY,
    PLACE,
    STOP_LOSS_ADD,
    STOP_LOSS_CANCEL,
    STRATEGY,
    TAKE_PROFIT_ADD,
    TAKE_PROFIT_CANCEL,
    Desk,
)

LEVELS = {"stop_loss": "1.0900", "take_profit": "1.1200"}
BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.01"}
BUY_LIMIT = {**BUY, "order_type": "BUY_LIMIT", "order_price": "1.0980"}


@dataclass(frozen=True)
class Verb:
    """`on` is the order it needs: none, an open one or a resting one. `{order}` in the path stands for its id."""

    path: str
    body: Row = field(default_factory=dict)
    on: str = ""
    done: int = 200

    def send(self, desk: Desk, kind: str, order: str, by: str | None) -> Any:
        named = {} if "{" in self.path else {**desk.at(kind), **({"order_id": order} if order else {})}
        if self.path == STRATEGY:
            named = {"user_id": desk.accounts[kind].pk}
        path = self.path.format(order=order, account=f"{kind}/{desk.accounts[kind].pk}")
        return desk.post(path, {**named, **self.body}, by=by)

    def order(self, desk: Desk, kind: str) -> str:
        if self.on == "open":
            return desk.buy(kind, lots="0.01", by="dealer", **LEVELS)
        return desk.rest(kind, by="dealer", order_quantity="0.01") if self.on else ""


EVERYWHERE = [
    Verb(EXECUTE, BUY, done=201),
    Verb(PLACE, BUY_LIMIT, done=201),
    Verb(MODIFY, {"order_price": "1.0970"}, "resting"),
    Verb(CANCEL, {}, "resting"),
    Verb(CLOSE, {}, "open"),
    Verb(CLOSE_ALL),
    Verb(STOP_LOSS_ADD, {"stop_loss": "1.0950"}, "open"),
    Verb(STOP_LOSS_CANCEL, {}, "open"),
    Verb(TAKE_PROFIT_ADD, {"take_profit": "1.1300"}, "open"),
    Verb(TAKE_PROFIT_CANCEL, {}, "open"),
]
ON_STRATEGIES = [
    Verb(STRATEGY, BUY, done=201),
    Verb(STRATEGY, BUY_LIMIT, done=201),
    Verb(f"{STRATEGY}/{{order}}/close", {}, "open"),
    Verb(f"{STRATEGY}/{{order}}/cancel", {}, "resting"),
    Verb(f"{STRATEGY}/{{order}}/stop-loss", {"stop_loss": "1.0950"}, "open"),
    Verb(f"{STRATEGY}/{{order}}/stop-loss/cancel", {}, "open"),
    Verb(f"{STRATEGY}/{{order}}/take-profit", {"take_profit": "1.1300"}, "open"),
    Verb(f"{STRATEGY}/{{order}}/take-profit/cancel", {}, "open"),
]
MONEY = Verb("/api/accounts/{account}/transfers", {"kind": "deposit", "amount": "1", "reason": "asked"}, done=201)

ACT = ("dealer", "dealing key", "administrator")
OWNERS = ("trader", "trading key")


def table(kind: str, verb: Verb) -> dict[str | None, tuple[int, str]]:
    """By whom -> status and reason; the reason of what is done is "done"."""
    absent = "order_not_found" if "{order}" in verb.path else "account_not_found"
    owner = (403, "not_permitted") if verb is MONEY or kind == COPY_FOLLOWER else (verb.done, "done")
    return {
        None: (401, "not_authenticated"),
        **dict.fromkeys(("stranger", "stranger's key", "strategist"), (404, absent)),
        **dict.fromkeys(("support", "reading key"), (403, "not_permitted")),
        **dict.fromkeys(OWNERS, owner),
        **dict.fromkeys(ACT, (verb.done, "done")),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_each_verb_by_everyone(desk: Desk, kind: str, subtests: Any) -> None:
    verbs = [*EVERYWHERE, MONEY, *(ON_STRATEGIES if kind == STRATEGY_PROVIDER else ())]
    for verb in verbs:
        desk.quote()
        order = verb.order(desk, kind)
        for by, (status, reason) in table(kind, verb).items():
            with subtests.test(path=verb.path, by=by):
                if status < 300:
                    answer = verb.send(desk, kind, verb.order(desk, kind), by)
                    assert (answer.status_code, answer.json()["ok"]) == (status, True)
                else:
                    before = desk.versions()
                    assert refused(verb.send(desk, kind, order, by)) == (status, reason)
                    assert desk.versions() == before
