"""The sweeper: what was lost after a commit is told again, indexed again, and nobody holds the others up."""

from dataclasses import dataclass
from decimal import Decimal as D

import pytest

from copytrading.kernel import clock
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


@dataclass
class Hand:
    """A clock moved by hand: time passes only between passes."""

    now: float = 1000.0


@pytest.fixture
def hand(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Hand:
    made = Hand()
    monkeypatch.setattr(clock, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def sweeper(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> Sweeper:
    monkeypatch.setattr(sweepers, "_PAUSE_S", 0.0)
    made = Sweeper("test")
    made.prepare()
    return made


def a_pass(sweeper: Sweeper, hand: Hand | None = None, after_s: float = 0) -> None:
    """Over all accounts, some time after the last one."""
    if hand:
        hand.now += after_s
    while sweeper.step():
        pass


def told(floor: Floor) -> list[str]:
    """Who is announced; forgotten with the asking."""
    queue = keys.QUEUE_RECORD
    entries, _ = ledger().run([(queue, ("XRANGE", queue, "-", "+")), (queue, ("XTRIM", queue, "MAXLEN", 0))])
    return [fields["account"] for _, fields in entries]


def set_mark(floor: Floor, consumer: str, version: int) -> None:
    floor.book.ledger.hset(keys.marks(floor.ref(LIVE)), consumer, str(version))


def mark(floor: Floor, consumer: str) -> int:
    return int(floor.book.ledger.hget(keys.marks(floor.ref(LIVE)), consumer) or 0)


def test_a_lost_announcement_is_told_again_after_two_seconds(floor: Floor, sweeper: Sweeper, hand: Hand) -> None:
    floor.record()
    floor.open("0.5")
    assert told(floor)  # and lost
    a_pass(sweeper)
    a_pass(sweeper, hand, after_s=1.9)
    assert told(floor) == []  # somebody may be at work
    a_pass(sweeper, hand, after_s=0.1)
    assert told(floor) == [str(floor.ref(LIVE))]
    a_pass(sweeper, hand, after_s=1.9)
    assert told(floor) == []  # not again at once
    floor.record()
    for _ in range(3):
        a_pass(sweeper, hand, after_s=2.0)
    assert told(floor) == []


def test_a_mark_that_moves_is_somebody_at_work(floor: Floor, sweeper: Sweeper, hand: Hand) -> None:
    floor.record()
    for _ in range(4):
        floor.money("deposit", "1")
    told(floor)
    a_pass(sweeper)
    for version in (3, 4, 5):
        set_mark(floor, "record", version)
        a_pass(sweeper, hand, after_s=2.0)
    assert told(floor) == []
    a_pass(sweeper, hand, after_s=2.0)
    assert told(floor) == [str(floor.ref(LIVE))]


def test_every_account_is_looked_at(
    floor: Floor, sweeper: Sweeper, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.book.guard.PIPELINE", 3)
    told(floor)
    a_pass(sweeper)
    assert sweeper.lag() == {"lag": "4"}
    a_pass(sweeper, hand, after_s=2.0)
    assert sorted(told(floor)) == sorted(map(str, floor.accounts.values()))


def test_lost_hints_are_made_again(floor: Floor, sweeper: Sweeper, hand: Hand) -> None:
    """The process died between its commit and the hints: the index mark says so."""
    before = floor.state().portfolio.version
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    resting = id_of(floor.place("1.0980"))
    pendings = "pending_index:EURUSD:retail:BUY_LIMIT"
    floor.book.ledger.delete(STOPS, pendings, "symbol_holders:EURUSD:live", keys.QUEUE_LEVELS)
    set_mark(floor, "index", before)
    floor.record()
    a_pass(sweeper)
    a_pass(sweeper, hand, after_s=2.0)
    account = floor.ref(LIVE)
    assert floor.book.ledger.zscore(STOPS, f"{account}|{order_id}|1") == 1.095
    assert floor.book.ledger.zscore(pendings, f"{account}|{resting}|1") == 1.098
    assert floor.book.ledger.smembers("symbol_holders:EURUSD:live") == {str(account)}
    assert floor.book.ledger.xlen(keys.QUEUE_LEVELS) == 2  # running monitors are told
    assert mark(floor, "index") == floor.state().portfolio.version
    assert floor.differences() == []


def test_a_parked_account_is_not_announced_but_still_mended(floor: Floor, sweeper: Sweeper, hand: Hand) -> None:
    """Its dead letter waits for a person; its stops must not."""
    floor.record()
    before = floor.state().portfolio.version
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.book.ledger.delete(STOPS)
    set_mark(floor, "index", before)
    stream = WorkStream(ledger(), "record", "test")
    stream.prepare()
    live = str(floor.ref(LIVE))
    stream.bury(next(each for each in stream.read(100) if each.fields["account"] == live), "InvariantBroken: hole")
    told(floor)
    for _ in range(3):
        a_pass(sweeper, hand, after_s=2.0)
    assert told(floor) == []
    assert floor.book.ledger.zscore(STOPS, f"{floor.ref(LIVE)}|{order_id}|1") == 1.095


def test_a_broken_account_does_not_hold_the_others_up(floor: Floor, sweeper: Sweeper, hand: Hand) -> None:
    broken = floor.ref(LIVE)
    floor.book.ledger.xadd(keys.journal(broken), {"prev": "2", "body": '{"orders":[{}]}'}, id="3-0")
    floor.book.ledger.hset(keys.portfolio(broken), "version", "3")
    told(floor)
    a_pass(sweeper)
    a_pass(sweeper, hand, after_s=2.0)
    assert set(told(floor)) == {str(account) for account in floor.accounts.values()}
    assert mark(floor, "index") == 2


def test_postgresql_may_be_away(floor: Floor, sweeper: Sweeper, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    a_pass(sweeper)  # knows the accounts from here on
    monkeypatch.setattr(sweepers, "REFRESH_S", 0.0)
    told(floor)
    with without_database():
        a_pass(sweeper, hand, after_s=2.0)
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
    sweeper.run(once=True)
    assert sweeper.lag() == {"lag": "4"}


@pytest.mark.parametrize(
    ("queue", "life"), [(keys.QUEUE_LEVELS, "NEWS_LIFE_MS"), (keys.QUEUE_ACCOUNTS, "HOLDER_NEWS_LIFE_MS")]
)
def test_old_news_is_forgotten(
    floor: Floor, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch, queue: str, life: str
) -> None:
    monkeypatch.setattr(sweepers, life, -1000)
    for number in range(300):
        floor.book.ledger.xadd(queue, {"told": str(number)})
    a_pass(sweeper)
    assert floor.book.ledger.xlen(queue) <= 100  # whole nodes of the stream are cut
