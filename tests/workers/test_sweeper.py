"""The sweeper: what was lost after a commit is told again, indexed again, and nobody holds the others up."""

from decimal import Decimal as D

import pytest

from copytrading.kernel.ids import LIVE
from orders.book import keys
from orders.book.connection import ledger
from orders.book.work import WorkStream
from tests.fixtures.book import forget
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of
from tests.fixtures.outage import without_database
from workers import sweeper as sweepers
from workers.sweeper import Sweeper

STOPS = "sl_index:EURUSD:retail:BUY"


@pytest.fixture
def sweeper(monkeypatch: pytest.MonkeyPatch) -> Sweeper:
    """Ready, and without patience: what lags is told again the second time it is seen."""
    monkeypatch.setattr(sweepers, "LAG_S", 0.0)
    monkeypatch.setattr(sweepers, "_PAUSE_S", 0.0)
    made = Sweeper("test")
    made.prepare()
    return made


def a_pass(sweeper: Sweeper) -> None:
    while sweeper.step():
        pass


def told(floor: Floor) -> list[str]:
    """Who is announced; forgotten with the asking."""
    names = [values["account"] for _, values in floor.book.ledger.xrange(keys.QUEUE_RECORD)]
    floor.book.ledger.xtrim(keys.QUEUE_RECORD, maxlen=0, approximate=False)
    return names


def set_mark(floor: Floor, consumer: str, version: int) -> None:
    floor.book.ledger.hset(keys.marks(floor.ref(LIVE)), consumer, str(version))


def mark(floor: Floor, consumer: str) -> int:
    return int(floor.book.ledger.hget(keys.marks(floor.ref(LIVE)), consumer) or 0)


def test_a_lost_announcement_is_told_again(floor: Floor, sweeper: Sweeper) -> None:
    floor.record()
    floor.open("0.5")
    assert told(floor)  # and lost
    a_pass(sweeper)
    assert told(floor) == []  # seen behind for the first time: somebody may be at work
    a_pass(sweeper)
    assert told(floor) == [str(floor.ref(LIVE))]
    floor.record()
    for _ in range(3):
        a_pass(sweeper)
    assert told(floor) == []


def test_who_is_at_work_is_left_alone(floor: Floor, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark that moves between two looks is no lost announcement, nor is one that stood still for less than the limit."""
    floor.record()
    for _ in range(3):
        floor.money("deposit", "1")
    told(floor)
    for version in (3, 4, 5):
        a_pass(sweeper)
        set_mark(floor, "record", version)
    assert told(floor) == []
    monkeypatch.setattr(sweepers, "LAG_S", 3600.0)
    floor.money("deposit", "1")
    told(floor)
    for _ in range(3):
        a_pass(sweeper)
    assert told(floor) == []


def test_every_account_is_looked_at(floor: Floor, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.book.guard.PIPELINE", 3)
    told(floor)
    for _ in range(2):
        a_pass(sweeper)
    assert sorted(told(floor)) == sorted(map(str, floor.accounts.values()))
    a_pass(sweeper)
    assert sweeper.lag() == {"lag": "4"}


def test_lost_hints_are_made_again(floor: Floor, sweeper: Sweeper) -> None:
    """The process died between its commit and the hints: the index mark says so."""
    before = floor.state().portfolio.version
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    resting = id_of(floor.place("1.0980"))
    pendings = "pending_index:EURUSD:retail:BUY_LIMIT"
    floor.book.ledger.delete(STOPS, pendings, "symbol_holders:EURUSD:live", keys.QUEUE_LEVELS)
    set_mark(floor, "index", before)
    floor.record()
    assert {difference.what for difference in floor.differences()} == {"index_lag", "hint_missing", "holder_missing"}
    for _ in range(2):
        a_pass(sweeper)
    account = floor.ref(LIVE)
    assert floor.book.ledger.zscore(STOPS, f"{account}|{order_id}|1") == 1.095
    assert floor.book.ledger.zscore(pendings, f"{account}|{resting}|1") == 1.098
    assert floor.book.ledger.smembers("symbol_holders:EURUSD:live") == {str(account)}
    assert floor.book.ledger.xlen(keys.QUEUE_LEVELS) == 2  # running monitors are told
    assert mark(floor, "index") == floor.state().portfolio.version
    assert floor.differences() == []


def test_a_parked_account_is_not_announced_but_still_mended(floor: Floor, sweeper: Sweeper) -> None:
    """Its dead letter waits for a person; its stops must not."""
    floor.record()
    before = floor.state().portfolio.version
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.book.ledger.delete(STOPS)
    set_mark(floor, "index", before)
    stream = WorkStream(ledger(), "record", "test")
    stream.prepare()
    stream.bury(next(m for m in stream.read(100) if m.fields["account"] == str(floor.ref(LIVE))), "InvariantBroken: hole")
    told(floor)
    for _ in range(3):
        a_pass(sweeper)
    assert told(floor) == []
    assert floor.book.ledger.zscore(STOPS, f"{floor.ref(LIVE)}|{order_id}|1") == 1.095


def test_a_broken_account_does_not_hold_the_others_up(floor: Floor, sweeper: Sweeper) -> None:
    broken = floor.ref(LIVE)
    floor.book.ledger.xadd(keys.journal(broken), {"prev": "2", "body": '{"orders":[{}]}'}, id="3-0")
    floor.book.ledger.hset(keys.portfolio(broken), "version", "3")
    told(floor)
    for _ in range(2):
        a_pass(sweeper)
    assert set(told(floor)) == {str(account) for account in floor.accounts.values()}
    assert mark(floor, "index") == 2


def test_postgresql_may_be_away(floor: Floor, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    a_pass(sweeper)  # knows the accounts from here on
    monkeypatch.setattr(sweepers, "REFRESH_S", 0.0)
    told(floor)
    with without_database():
        a_pass(sweeper)
    assert set(told(floor)) == {str(account) for account in floor.accounts.values()}


def test_a_restarted_ledger_is_opened_once_nothing_is_behind(floor: Floor, sweeper: Sweeper) -> None:
    floor.record()
    floor.book.market.delete(keys.LEDGER_CLEARED)
    floor.book.ledger.hincrby(keys.portfolio(floor.ref(LIVE)), "version", -1)  # as if a commit had been lost
    forget()
    with nothing_done(floor.book):
        assert sweeper.step() is False
    assert floor.book.market.exists(keys.LEDGER_CLEARED) == 0
    floor.book.ledger.hincrby(keys.portfolio(floor.ref(LIVE)), "version", 1)
    a_pass(sweeper)
    assert floor.book.market.scard(keys.LEDGER_CLEARED) == 1


def test_once_means_one_whole_pass(floor: Floor, sweeper: Sweeper) -> None:
    told(floor)
    for _ in range(2):
        sweeper._walk = None
        Sweeper.run(sweeper, once=True)
    assert sweeper.lag() == {"lag": "4"}


def test_old_news_of_levels_is_forgotten(floor: Floor, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweepers, "NEWS_LIFE_MS", -1000)
    for price in range(300):
        floor.book.ledger.xadd(keys.QUEUE_LEVELS, {"price": str(price)})
    a_pass(sweeper)
    assert floor.book.ledger.xlen(keys.QUEUE_LEVELS) <= 100  # whole nodes of the stream are cut
