"""rebuild_book: a ledger that was lost comes back from the record, and trading goes on where the record ended."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Halt, rows_of
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import DEMO, KINDS, LIVE
from orders.book import guard, keys, rebuild
from orders.book.account import load
from orders.book.connection import ledger
from orders.book.rebuild import JUMP, Rebuilt
from orders.messages import Done
from orders.models import Deal, JournalEntry
from orders.rules.halts import Halt as HaltFact
from orders.verbs import halt, money
from orders.verbs.money import finish_transfer
from tests.accounts import rows
from tests.book.looking import contents
from tests.book.test_recorder import recorded
from tests.book.trading import states, trade
from tests.fixtures.book import forget
from tests.fixtures.floor import Floor, id_of, reason_of

D = Decimal
both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)


def lose_everything(floor: Floor) -> None:
    """Both instances are empty and the ledger has been started anew."""
    floor.book.flush()
    floor.book.market.delete(keys.LEDGER_CLEARED)
    forget()
    floor.quote("1.1010", "1.1012")


def lose(floor: Floor, kind: str) -> None:
    key = keys.portfolio(floor.ref(kind))
    ledger().run([(key, ("DEL", key))])


@both
def test_everything_comes_back_as_it_was_recorded(floor: Floor) -> None:
    trade(floor)
    floor.record()
    versions = {account: load(account).portfolio.version for account in floor.accounts.values()}
    before = states(floor)
    lose_everything(floor)
    with pytest.raises(LedgerUnavailable, match="not been compared"):
        floor.open()
    assert len(guard.clear()) == 4
    assert sorted(rebuild.rebuild(), key=lambda each: each.account) == [
        Rebuilt(account, version + JUMP, len(before[account].orders)) for account, version in sorted(versions.items())
    ]
    assert guard.clear() == []
    assert states(floor) == before
    for account, version in versions.items():
        state = load(account)
        assert state.portfolio.version == version + 1_000_000
        assert state.portfolio.ledger_id == guard.ledger_id(ledger())
    assert floor.differences() == []


@both
def test_trading_goes_on_and_is_recorded(floor: Floor) -> None:
    day = trade(floor)
    floor.record()
    version = load(floor.ref(LIVE)).portfolio.version
    lose_everything(floor)
    list(rebuild.rebuild())
    assert guard.clear() == []
    assert isinstance(floor.close(day.stopped), Done)
    opened = id_of(floor.open("0.1"))
    assert floor.state().portfolio.version == version + JUMP + 2
    floor.record()
    assert recorded(floor.ref(LIVE)) == version + JUMP + 2
    entries = JournalEntry.objects.filter(account=str(floor.ref(LIVE)), version__gte=version).order_by("version")
    assert [(entry.version, entry.predecessor, entry.verb) for entry in entries[1:]] == [
        (version + JUMP, version, "rebuilt"),
        (version + JUMP + 1, version + JUMP, "close"),
        (version + JUMP + 2, version + JUMP + 1, "open"),
    ]
    assert Deal.objects.filter(order_id=opened).count() == 1
    assert floor.differences() == []


@both
def test_levels_fire_again(floor: Floor, watch_on: Callable[..., Any]) -> None:
    day = trade(floor)
    floor.record()
    lose_everything(floor)
    list(rebuild.rebuild())
    assert guard.clear() == []
    watch = watch_on(floor)
    assert watch.levels() == 12  # two each of the four kinds, two of the stopped, one of the hedge, one that rests
    watch.tick("1.0968", "1.0969")
    assert (floor.order(day.resting).status, floor.order(day.resting).open_price) == ("OPEN", D("1.0970"))
    watch.tick("1.0950", "1.0952")
    assert (floor.order(day.stopped).status, floor.order(day.stopped).reason) == ("CLOSED", "stop_loss")
    floor.record()
    assert floor.differences() == []


@both
def test_answers_that_were_given_are_given_again(floor: Floor) -> None:
    first = floor.open("0.5", key="kept")
    unrecorded_too = floor.close(id_of(first), "0.1", key="closed")
    floor.record()
    lose_everything(floor)
    list(rebuild.rebuild())
    assert guard.clear() == []
    again = floor.open("0.5", key="kept")
    assert (again.replayed, again.answer) == (True, first.answer)
    assert floor.close(id_of(first), "0.1", key="closed") == replace(unrecorded_too, replayed=True)
    assert reason_of(floor.open("0.6", key="kept")) == "idempotency_mismatch"
    key = keys.command(floor.ref(LIVE), first.command_id)
    (left,) = ledger().run([(key, ("TTL", key))])
    assert 7 * 86_400 - 120 < left <= 7 * 86_400
    assert len(floor.state().orders) == 1


def test_what_was_not_recorded_is_gone_and_its_numbers_are_not_used_again(floor: Floor) -> None:
    floor.open("0.1")
    floor.record()
    lost = floor.open("0.2", key="lost")
    lose_everything(floor)
    list(rebuild.rebuild())
    assert guard.clear() == []
    again = floor.open("0.2", key="lost")
    assert (again.replayed, id_of(again) == id_of(lost)) == (False, False)
    assert len(floor.state().orders) == 2
    floor.record()
    assert floor.differences() == []


@both
def test_only_what_is_missing_or_behind_is_rebuilt(floor: Floor) -> None:
    trade(floor)
    floor.record()
    before = states(floor)
    lose(floor, LIVE)
    behind = keys.portfolio(floor.ref(DEMO))
    ledger().run([(behind, ("HSET", behind, "version", "1", "balance", "5"))])
    untouched = {key: value for key, value in contents(floor.book).items() if "{copy_follower" in key}
    assert [each.account for each in rebuild.rebuild()] == [floor.ref(LIVE), floor.ref(DEMO)]
    assert {key: value for key, value in contents(floor.book).items() if "{copy_follower" in key} == untouched
    assert states(floor) == before
    assert list(rebuild.rebuild()) == []
    assert floor.differences() == []


def test_named_accounts_only(floor: Floor, capsys: pytest.CaptureFixture[str]) -> None:
    floor.record()
    lose(floor, LIVE)
    lose(floor, DEMO)
    call_command("rebuild_book", account=[str(floor.ref(DEMO))])
    assert capsys.readouterr().out == f"{floor.ref(DEMO)}: version 1000002, 0 live orders\n1 accounts rebuilt\n"
    assert floor.state(DEMO).portfolio.balance == D(10000)
    assert [difference.what for difference in floor.differences()] == ["account_missing"]


def test_leftovers_of_the_lost_account_do_not_come_back(floor: Floor) -> None:
    """Half of it survived: an order that ended in the record, a holding, a departed transfer, an old mark."""
    day = trade(floor)
    floor.record()
    before = states(floor)
    account = floor.ref(LIVE)
    index = keys.orders_index(account)
    transfers = keys.transfers(account)
    ledger().run(
        [
            (index, ("SADD", index, day.closed)),
            (transfers, ("HSET", transfers, "T9", "{}")),
            (keys.marks(account), ("HSET", keys.marks(account), "index", "5")),
        ]
    )
    lose(floor, LIVE)
    list(rebuild.rebuild())
    assert states(floor) == before
    assert floor.differences() == []


def test_an_account_that_was_noted_and_never_entered(floor: Floor) -> None:
    row = rows.account(LIVE, "bob", sending_orders="rock")
    rows_of(LIVE).filter(pk=row.pk).update(book_ledger_id="x", book_entered_at=clock.now())
    assert list(rebuild.rebuild([row.ref])) == [Rebuilt(row.ref, JUMP, 0)]
    assert isinstance(floor.money("deposit", "5", row.ref), Done)
    floor.accounts["bob"] = row.ref
    floor.record()
    assert floor.differences() == []
    first = JournalEntry.objects.filter(account=str(row.ref)).order_by("version")[0]
    assert (first.version, first.predecessor, first.verb) == (1_000_000, 0, "rebuilt")


@both
def test_halts_come_back(floor: Floor) -> None:
    assert halt.halt(HaltFact("platform", True, "news", 0), "user:1") is None
    assert halt.halt(HaltFact("instrument:EURUSD", False, "gone", 0), "user:1") is None
    assert halt.lift("instrument:EURUSD", "user:1")
    standing = halt.standing()
    lose_everything(floor)
    list(rebuild.rebuild())
    assert guard.clear() == []
    assert halt.standing() == standing == [HaltFact("platform", True, "news", 0)]
    assert Halt.objects.count() == 2
    assert reason_of(floor.open()) == "trading_halted"


class TestTransfersUnderWay:
    """Money that had left one account and not arrived at the other when the ledger was lost."""

    @pytest.fixture
    def leaving(self, floor: Floor, monkeypatch: pytest.MonkeyPatch) -> str:
        """A transfer of 250 from the live to the demo account that stopped after its first commit."""
        with monkeypatch.context() as patch:
            patch.setattr(money, "finish_transfer", lambda *_: False)
            done = floor.transfer(DEMO, "250")
        assert done.answer["state"] == "under_way"
        return str(done.command_id)

    def balances(self, floor: Floor) -> tuple[Decimal, Decimal]:
        return floor.state(LIVE).portfolio.balance, floor.state(DEMO).portfolio.balance

    def rebuild(self, floor: Floor, *kinds: str) -> None:
        for kind in kinds:
            lose(floor, kind)
        assert [each.account for each in rebuild.rebuild()] == [floor.ref(kind) for kind in kinds]

    def test_it_arrives_after_the_rebuild(self, floor: Floor, leaving: str) -> None:
        floor.record()
        self.rebuild(floor, LIVE, DEMO)
        assert floor.state(LIVE).under_way.keys() == {leaving}
        assert finish_transfer(floor.ref(LIVE), leaving)
        assert self.balances(floor) == (D(9750), D(10250))
        floor.record()
        assert floor.differences() == []

    def test_it_does_not_arrive_twice_when_only_the_source_was_lost(self, floor: Floor, leaving: str) -> None:
        """The record has not seen the arrival; the destination's own ledger has."""
        floor.record()
        assert finish_transfer(floor.ref(LIVE), leaving)
        self.rebuild(floor, LIVE)
        assert floor.state(LIVE).under_way.keys() == {leaving}
        assert finish_transfer(floor.ref(LIVE), leaving)
        assert self.balances(floor) == (D(9750), D(10250))
        floor.record()
        assert floor.differences() == []

    def test_it_arrives_again_when_its_arrival_was_lost(self, floor: Floor, leaving: str) -> None:
        """What the lost ledger answered for the arrival is not true any more; until then audit tells of the money."""
        floor.record()
        assert finish_transfer(floor.ref(LIVE), leaving)
        self.rebuild(floor, DEMO)
        assert self.balances(floor) == (D(9750), D(10000))
        assert [(found.what, found.where) for found in floor.differences()] == [("transfer_lost", str(floor.ref(LIVE)))]
        self.rebuild(floor, LIVE)
        assert finish_transfer(floor.ref(LIVE), leaving)
        assert self.balances(floor) == (D(9750), D(10250))
        floor.record()
        assert floor.differences() == []

    def test_it_is_over_when_the_record_saw_it_arrive(self, floor: Floor, leaving: str) -> None:
        assert finish_transfer(floor.ref(LIVE), leaving)
        floor.record()
        self.rebuild(floor, LIVE, DEMO)
        assert floor.state(LIVE).under_way == {}
        assert self.balances(floor) == (D(9750), D(10250))


def test_every_kind_comes_back_from_its_own_table(floor: Floor) -> None:
    floor.record()
    lose_everything(floor)
    list(rebuild.rebuild())
    assert guard.clear() == []
    assert {kind: floor.state(kind).config.group for kind in KINDS} == dict.fromkeys(KINDS, "retail")
