"""How far the record is behind the book, what is under way, and what the ledger has lost."""

import pytest

from copytrading.kernel import clock
from copytrading.kernel.ids import DEMO, LIVE
from orders.book import guard, keys
from orders.book.connection import glance_ledger, ledger
from orders.looking.backlog import Backlog, UnderWay, backlog
from tests.fixtures.floor import Floor
from tests.fixtures.outage import without_database

both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)


def told() -> Backlog:
    return backlog(glance_ledger(), guard.entered_accounts())


@both
def test_all_is_recorded(floor: Floor) -> None:
    floor.open("0.5")
    floor.record()
    assert told() == Backlog(accounts=4)


@both
def test_accounts_that_are_behind(floor: Floor) -> None:
    floor.record()
    floor.money("deposit", "1")
    floor.money("deposit", "1")
    floor.money("deposit", "1", DEMO)
    found = told()
    assert (found.accounts, found.behind, found.lost) == (4, 2, ())
    floor.record()
    assert told().behind == 0


def test_it_is_told_while_postgresql_is_away(floor: Floor) -> None:
    floor.record()
    entered = guard.entered_accounts()
    floor.money("deposit", "1")
    with without_database():
        assert backlog(glance_ledger(), entered).behind == 1


def test_a_mark_that_was_lost_makes_nobody_late(floor: Floor) -> None:
    floor.record()
    key = keys.marks(floor.ref(LIVE))
    ledger().run([(key, ("DEL", key))])
    assert told() == Backlog(accounts=4)


@both
def test_accounts_that_the_ledger_lost_whole_or_in_part(floor: Floor) -> None:
    floor.money("deposit", "1")
    floor.record()
    gone, behind = keys.portfolio(floor.ref(DEMO)), keys.portfolio(floor.ref(LIVE))
    ledger().run([(gone, ("DEL", gone)), (behind, ("HSET", behind, "version", "2"))])
    assert sorted(told().lost) == sorted([floor.ref(DEMO), floor.ref(LIVE)])


def test_money_under_way(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as dying:
        dying.setattr("orders.verbs.money.finish_transfer", lambda *_: False)  # the process dies after the debit
        before = clock.now_ms()
        floor.transfer(DEMO, "100")
    (leaving,) = told().under_way
    live, demo = floor.ref(LIVE), floor.ref(DEMO)
    (transfer_id,) = floor.state(LIVE).under_way
    assert leaving == UnderWay(transfer_id, str(live), str(demo), "100 USD", leaving.left_at_ms)
    assert before <= leaving.left_at_ms <= clock.now_ms()
