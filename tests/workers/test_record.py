"""worker_record: announcements repeated, lost or nonsense, journals with holes, and PostgreSQL away for a while."""

from decimal import Decimal as D

import pytest

from accounts.models import LiveAccount
from copytrading.kernel.ids import DEMO, LIVE
from orders import recorder
from orders.book import keys
from orders.book.connection import ledger
from orders.book.work import DeadLetter, dead_letters
from orders.models import Deal, JournalEntry, Order, Transfer
from tests.book.together import at_once
from tests.fixtures.floor import Floor, id_of
from tests.fixtures.outage import Patience, without_database
from workers.queues.record import RecordWorker

QUEUE = keys.QUEUE_RECORD


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.book.work.BLOCK_MS", 20)


def work() -> None:
    """Until nothing is announced any more."""
    RecordWorker("test").run(once=True)


def letters() -> list[DeadLetter]:
    return dead_letters(ledger(), "record")


def announce(floor: Floor, *names: str) -> None:
    for name in names:
        floor.book.ledger.xadd(QUEUE, {"account": name})


def recorded() -> dict[str, int]:
    """How many rows of each kind."""
    return {model.__name__: model._default_manager.count() for model in (JournalEntry, Deal, Transfer, Order)}


def test_what_was_announced_is_in_the_record(floor: Floor) -> None:
    order_id = id_of(floor.open("0.5"))
    floor.close(order_id, "0.2")
    work()
    assert floor.book.ledger.xlen(QUEUE) == 0
    order = Order.objects.get(order_id=order_id)
    assert (order.status, order.lots, order.open_lots, order.profit) == ("OPEN", D("0.5"), D("0.3"), D("-8"))
    deals = Deal.objects.filter(order_id=order_id).order_by("version")
    assert [(deal.entry, deal.side, deal.lots, deal.price, deal.profit) for deal in deals] == [
        ("in", "BUY", D("0.5"), D("1.1003"), 0),
        ("out", "SELL", D("0.2"), D("1.0999"), D("-8")),
    ]
    row = LiveAccount.objects.get(pk=floor.ref(LIVE).id)
    assert (row.balance, row.recorded_version) == (D("9992"), 4)
    assert floor.differences() == []


def test_told_again_it_records_nothing_again(floor: Floor) -> None:
    floor.open("0.5")
    work()
    before = recorded()
    announce(floor, *[str(floor.ref(LIVE))] * 3)
    work()
    assert recorded() == before
    assert floor.book.ledger.xlen(QUEUE) == 0


def test_told_late_it_records_all_that_was_missed(floor: Floor) -> None:
    work()
    for _ in range(3):
        floor.open("0.1")
    floor.book.ledger.delete(QUEUE)  # with its group, as if none of it had ever been
    work()
    assert Deal.objects.count() == 0
    announce(floor, str(floor.ref(LIVE)))
    work()
    assert Deal.objects.count() == 3
    assert floor.differences() == []


def test_more_than_one_pass_can_hold(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "ENTRIES_AT_ONCE", 2)
    for _ in range(7):
        floor.money("deposit", "1")
    floor.book.ledger.xtrim(QUEUE, maxlen=0, approximate=False)
    announce(floor, str(floor.ref(LIVE)))
    work()
    assert LiveAccount.objects.get(pk=floor.ref(LIVE).id).balance == D(10_007)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"account": "nobody:1"}, "ValueError: no such kind of account: 'nobody' 1"),
        ({"account": "live"}, "ValueError: not an account: 'live'; write it as live:17"),
        ({"account": "live:999999"}, "InvariantBroken: announced, but without a row in PostgreSQL: live:999999"),
        ({"acount": "live:1"}, "KeyError: 'account'"),
    ],
)
def test_nonsense_is_buried_and_the_rest_recorded(floor: Floor, fields: dict[str, str], error: str) -> None:
    floor.book.ledger.xadd(QUEUE, fields)  # type: ignore[arg-type]
    floor.open("0.5")
    work()
    (letter,) = letters()
    assert (letter.fields, letter.error) == (fields, error)
    assert Deal.objects.count() == 1
    assert floor.book.ledger.xlen(QUEUE) == 0


def test_a_hole_in_a_journal_parks_that_account_alone(floor: Floor) -> None:
    work()
    live, demo = floor.ref(LIVE), floor.ref(DEMO)
    for kind in (LIVE, DEMO):
        for _ in range(3):
            floor.money("deposit", "1", kind)
    floor.book.ledger.xdel(keys.journal(live), "4-0")  # by hand: nothing of ours does that
    work()
    assert {letter.fields["account"] for letter in letters()} == {str(live)}
    why = f"InvariantBroken: {live}: entry 5 follows 4, recorded is 3: entries are missing"
    assert {letter.error for letter in letters()} == {why}
    assert LiveAccount.objects.get(pk=live.id).balance == D(10_001)  # up to the hole
    assert JournalEntry.objects.filter(account=str(demo)).count() == 5
    assert [difference.what for difference in floor.differences()] == ["journal_gap", "dead_letter"]
    assert floor.book.ledger.exists(keys.journal(live))  # kept for whoever looks into it


def test_an_entry_nobody_can_read_parks_its_account_alone(floor: Floor) -> None:
    work()
    live = floor.ref(LIVE)
    floor.book.ledger.xadd(keys.journal(live), {"prev": "2", "body": '{"verb":"money"}'}, id="3-0")
    announce(floor, str(live))
    floor.open("0.5", account=DEMO)
    work()
    (letter,) = letters()
    assert letter.error.startswith(f"InvariantBroken: {live}: journal entry 3 of {live} is unreadable: KeyError(")
    assert Deal.objects.count() == 1


def test_postgresql_away_is_waited_for(floor: Floor) -> None:
    floor.open("0.5")
    told, patience = floor.book.ledger.xlen(QUEUE), Patience(10)
    with without_database():
        RecordWorker("test", stop=patience).run()
    assert patience.left == 0
    assert floor.book.ledger.xlen(QUEUE) == told
    work()
    assert Deal.objects.count() == 1
    assert letters() == []


def test_trading_goes_on_while_postgresql_is_away(floor: Floor) -> None:
    order_id = id_of(floor.open("0.5"))
    with without_database():
        floor.close(order_id)
        floor.place("1.0980")
        floor.money("deposit", "1")
    work()
    assert floor.differences() == []
    assert recorded()["Order"] == 2


def test_a_death_between_record_and_mark_is_made_good(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded, not marked, not acknowledged: the next worker moves the mark and ends the life of what ended."""

    class Killed(BaseException):
        pass

    order_id = id_of(floor.open("0.5"))
    floor.close(order_id)
    live = floor.ref(LIVE)
    with monkeypatch.context() as dying:
        dying.setattr(recorder, "_after", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            work()
    rows, holding = recorded(), keys.holding(live, order_id)
    assert rows["Deal"] == 2
    assert (floor.book.ledger.hget(keys.marks(live), "record"), floor.book.ledger.ttl(holding)) == (None, -1)
    work()
    assert recorded() == rows
    assert floor.book.ledger.hget(keys.marks(live), "record") == "4"
    assert 0 < floor.book.ledger.ttl(holding) <= 3600
    assert floor.book.ledger.xlen(QUEUE) == 0
    assert floor.differences() == []


def test_any_number_of_recorders_may_run(floor: Floor) -> None:
    for _ in range(5):
        for kind in floor.accounts:
            floor.open("0.1", account=kind)
    workers = [RecordWorker(f"r{number}", batch=3) for number in range(3)]
    at_once([lambda worker=worker: worker.run(once=True) for worker in workers])  # type: ignore[misc]
    assert Deal.objects.count() == 20
    assert letters() == []
    assert floor.differences() == []
