"""A ledger rebuilt from the record holds what the lost one held, key by key, in every family the record covers."""

import json
from typing import Any

import pytest

from copytrading.kernel.ids import DEMO
from orders.book import guard, rebuild
from orders.book.rebuild import JUMP
from orders.rules.halts import Halt
from orders.verbs import halt, money
from tests.book.looking import contents
from tests.book.test_rebuild import lose_everything
from tests.book.trading import trade
from tests.fixtures.floor import Floor

both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)

Contents = dict[str, Any]

#: What the record does not cover, and why a rebuilt ledger may do without.
NOT_COVERED = {
    "user_journal": "is in the record itself",
    "user_marks": "the consumers' own places, which begin anew at the rebuilt version",
    "queue": "announcements; the sweeper tells again what is not dealt with",
    "groups": "terms for readers outside Python, written when they change",
    "terms": "the epoch of the terms",
    "ledger": "the name of the ledger, which is another now",
}
COVERED = {
    "user", "user_portfolio", "user_holdings", "user_orders_index", "user_transfers", "user_commands", "symbol_holders",
    "halts",
}  # fmt: skip
#: Covered as well. Before, they may say more than is so: what ended stays in them until a monitor sees it.
HINTS = {"pending_index", "sl_index", "tp_index", "expiry_index"}


def family(key: str) -> str:
    return key.partition(":")[0]


def of_record(found: Contents) -> Contents:
    """What the record covers, apart from hints. An order that ended is the record's alone."""
    kept = {key: value for key, value in found.items() if family(key) in COVERED}
    live = {order_id for key, ids in kept.items() if family(key) == "user_orders_index" for order_id in ids}
    ended = [key for key in kept if family(key) == "user_holdings" and key.rpartition(":")[2] not in live]
    return {key: _comparable(key, value) for key, value in kept.items() if key not in ended}


def _comparable(key: str, value: Any) -> Any:
    match family(key):
        case "user_portfolio":
            return {name: text for name, text in value.items() if name not in ("version", "ledger_id")}
        case "user_transfers":
            return {name: json.loads(text) for name, text in value.items()}
        case "user_commands":
            cut = value.index("{")
            return value[:cut], json.loads(value[cut:])
        case "halts":
            return {scope: json.loads(text) for scope, text in value.items()}
    return value


@pytest.fixture
def busy(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Floor:
    """Something in every family: orders of all kinds, money under way, a halt; all of it recorded."""
    trade(floor)
    with monkeypatch.context() as patch:
        patch.setattr(money, "finish_transfer", lambda *_: False)
        floor.transfer(DEMO, "250")
    assert halt.halt(Halt("instrument:EURUSD", True, "news", 0), "user:1") is None
    floor.record()
    return floor


@both
def test_every_key_is_as_it_was(busy: Floor) -> None:
    before = contents(busy.book)
    assert {family(key) for key in before} <= COVERED | HINTS | NOT_COVERED.keys()
    assert {family(key) for key in before} >= COVERED | HINTS
    versions = {key: int(value["version"]) for key, value in before.items() if family(key) == "user_portfolio"}
    lose_everything(busy)
    list(rebuild.rebuild())
    assert guard.clear() == []
    after = contents(busy.book)
    assert of_record(after) == of_record(before)
    assert {family(key) for key in after} >= HINTS
    for key in after:
        if family(key) in HINTS:
            assert set(after[key]) <= set(before[key])
    assert {key: int(after[key]["version"]) for key in versions} == {
        key: version + JUMP for key, version in versions.items()
    }
    assert busy.differences() == []  # which looks for each level that must be among the hints
