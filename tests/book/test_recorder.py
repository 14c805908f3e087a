"""The recorder: journals become rows, each entry once and in order, whatever dies on the way."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import rows_of
from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import DEMO, KINDS, LIVE, AccountRef
from orders import recorder
from orders.book import codec, keys
from orders.book.account import load
from orders.book.connection import ledger
from orders.book.record import order_of_row
from orders.book.streams import read_journal
from orders.models import Deal, JournalEntry, Order, Transfer
from tests.book.looking import contents
from tests.book.together import at_once
from tests.book.trading import trade
from tests.fixtures.book import Book
from tests.fixtures.floor import Floor, id_of

D = Decimal
both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)


def recorded(account: AccountRef) -> int:
    return int(rows_of(account.kind).get(pk=account.id).recorded_version)


def marks(book: Book, account: AccountRef) -> dict[str, str]:
    held: dict[str, str] = contents(book).get(keys.marks(account), {})
    return held


def life(order_id: str) -> int:
    """Seconds a holding has left; -1 is for ever."""
    account = AccountRef(LIVE, int(order_id.split("_")[1][1:]))
    key = keys.holding(account, order_id)
    return int(ledger().run([(key, ("TTL", key))])[0])


def count_rows() -> list[int]:
    return [model.objects.count() for model in (JournalEntry, Deal, Transfer, Order)]


@both
def test_everything_that_became_true_is_recorded(floor: Floor) -> None:
    day = trade(floor)
    held = {account: load(account, all_orders=True) for account in floor.accounts.values()}
    journals = {account: read_journal(ledger(), account, 0) for account in floor.accounts.values()}
    floor.record()
    for account, state in held.items():
        row = rows_of(account.kind).get(pk=account.id)
        portfolio = state.portfolio
        assert (row.recorded_version, row.balance, row.credit, row.margin_called) == (
            portfolio.version, portfolio.balance, portfolio.credit, False,
        )  # fmt: skip
        assert row.leverage == state.config.leverage
        live = Order.objects.filter(account=str(account), status__in=["OPEN", "PENDING"])
        assert {each.order_id: order_of_row(each) for each in live} == state.orders
        written = JournalEntry.objects.filter(account=str(account)).order_by("version")
        assert [(each.version, each.predecessor, each.body) for each in written] == journals[account]
    closed = Order.objects.get(pk=day.closed)
    assert (closed.status, closed.open_lots, closed.profit, closed.reason) == ("CLOSED", 0, D(6), "closed")
    deals = Deal.objects.filter(order_id=day.stopped).order_by("version")
    assert [(deal.entry, deal.side, deal.lots, deal.price, deal.profit) for deal in deals] == [
        ("in", "BUY", D("0.5"), D("1.1003"), 0),
        ("out", "SELL", D("0.2"), D("1.1009"), D(12)),
    ]
    moved = Transfer.objects.filter(kind="transfer").order_by("id")
    live_account, demo_account = str(floor.ref(LIVE)), str(floor.ref(DEMO))
    assert sorted((each.debit, each.credit, each.amount) for each in moved) == [
        ("house:transit:USD", demo_account, D("250.5")),
        (live_account, "house:transit:USD", D("250.5")),
    ]
    assert len({each.transfer_id for each in moved}) == 1


@both
def test_marks_and_lives_follow_the_record(floor: Floor) -> None:
    day = trade(floor)
    assert life(day.closed) == life(day.cancelled) == -1
    floor.record()
    for order_id in (day.closed, day.cancelled):
        assert recorder.TERMINAL_LIFE_S - 60 < life(order_id) <= recorder.TERMINAL_LIFE_S == 3600
    for order_id in (day.stopped, day.hedge, day.resting):
        assert life(order_id) == -1
    for account in floor.accounts.values():
        version = str(load(account).portfolio.version)
        assert marks(floor.book, account) == {"record": version, "index": version}
        assert contents(floor.book)[keys.journal(account)] == []


def test_recording_again_does_nothing(floor: Floor) -> None:
    trade(floor)
    floor.record()
    rows, held = count_rows(), contents(floor.book)
    done = recorder.record(list(floor.accounts.values()))
    assert (done.entries, done.versions, done.stuck) == (0, {}, {})
    assert count_rows() == rows
    assert contents(floor.book) == held


def test_a_long_journal_takes_several_passes(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    trade(floor)
    monkeypatch.setattr(recorder, "ENTRIES_AT_ONCE", 2)
    account = floor.ref(LIVE)
    version = load(account).portfolio.version
    for expected in range(2, version, 2):
        assert recorder.record([account]).versions == {account: expected}
        assert recorded(account) == expected
        assert read_journal(ledger(), account, 0)[0][0] == expected + 1
    floor.record()
    assert recorded(account) == version
    assert floor.differences() == []


@both
def test_recorders_at_once_record_once(floor: Floor) -> None:
    trade(floor)
    accounts = list(floor.accounts.values())
    expected = sum(load(account).portfolio.version for account in accounts)
    passes = [lambda: recorder.record(accounts)] * 3 + [lambda: recorder.record(accounts[::-1])] * 3
    assert sum(done.entries for done in at_once(passes)) == expected == JournalEntry.objects.count()
    assert floor.differences() == []


class TestDyingBetweenCommitAndMark:
    """PostgreSQL has it, and the ledger has not been told."""

    @pytest.fixture(params=["a crash", "nothing more"])
    def died(self, request: pytest.FixtureRequest, floor: Floor, monkeypatch: pytest.MonkeyPatch) -> str:
        """The closed order of a day that was recorded and never marked; after it the day may go on."""
        day = trade(floor)
        with monkeypatch.context() as patch:

            def die(*_: Any) -> None:
                raise KeyboardInterrupt

            patch.setattr(recorder, "_after", die)
            with pytest.raises(KeyboardInterrupt):
                recorder.record(list(floor.accounts.values()))
        if request.param == "a crash":
            floor.open("0.1")
        return day.closed

    def test_the_next_pass_finishes_it(self, floor: Floor, died: str) -> None:
        account = floor.ref(LIVE)
        assert marks(floor.book, account).get("record") is None
        assert life(died) == -1
        rows = count_rows()[1:]
        floor.record()
        assert life(died) > 0
        version = load(account).portfolio.version
        assert marks(floor.book, account)["record"] == str(version)
        assert contents(floor.book)[keys.journal(account)] == []
        assert [later - before for later, before in zip(count_rows()[1:], rows, strict=True)] in ([0, 0, 0], [1, 0, 1])
        assert floor.differences() == []


def replace_entry(account: AccountRef, version: int, change: Callable[[dict[str, str]], dict[str, str] | None]) -> None:
    """The journal with one entry changed, or left out when `change` gives None; ids stay as they are."""
    key = keys.journal(account)
    entries = ledger().run([(key, ("XRANGE", key, "-", "+"))])[0]
    ledger().run([(key, ("DEL", key))])
    for name, values in entries:
        new = change(values) if name == f"{version}-0" else values
        if new is not None:
            ledger().run([(key, ("XADD", key, name, *(item for pair in new.items() for item in pair)))])


def test_a_missing_entry_stops_its_account_and_no_other(floor: Floor) -> None:
    trade(floor)
    account = floor.ref(LIVE)
    replace_entry(account, 4, lambda _: None)
    done = recorder.record(list(floor.accounts.values()))
    assert done.stuck == {account: "entry 5 follows 4, recorded is 3: entries are missing"}
    assert recorded(account) == 3
    for kind in KINDS:
        if kind != LIVE:
            assert recorded(floor.ref(kind)) == load(floor.ref(kind)).portfolio.version
    assert marks(floor.book, account)["record"] == "3"
    assert read_journal(ledger(), account, 0)[0][0] == 5


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "{}", '{"verb":"open"}', '{"verb":"open","at_ms":1,"by":"","portfolio":{}}']
)
def test_an_unreadable_entry_stops_its_account_and_no_other(floor: Floor, body: str) -> None:
    trade(floor)
    account = floor.ref(LIVE)
    replace_entry(account, 4, lambda values: {**values, "body": body})
    done = recorder.record(list(floor.accounts.values()))
    assert done.stuck.keys() == {account}
    assert f"journal entry 4 of {account} is unreadable" in done.stuck[account]
    assert recorded(account) == 3


def test_what_the_database_refuses_is_not_half_recorded(floor: Floor) -> None:
    """One transaction: when a row is refused, none of the pass is recorded, and no mark moves."""
    order_id = id_of(floor.open())
    account = floor.ref(LIVE)
    version = load(account).portfolio.version

    def impossible(values: dict[str, str]) -> dict[str, str]:
        body = codec.from_json(values["body"])
        body["deals"][0]["lots"] = "-1"
        return {**values, "body": codec.to_json(body)}

    replace_entry(account, version, impossible)
    rows, held = count_rows(), contents(floor.book)
    with pytest.raises(DatabaseError, match="deal_something_traded"):
        recorder.record(list(floor.accounts.values()))
    assert count_rows() == rows == [0, 0, 0, 0]
    assert contents(floor.book) == held
    assert not Order.objects.filter(pk=order_id).exists()
    assert recorded(account) == 0


def test_an_announced_account_without_a_row(floor: Floor) -> None:
    with pytest.raises(InvariantBroken, match="without a row in PostgreSQL: live:999999"):
        recorder.record([AccountRef(LIVE, 999_999)])


def test_the_record_only_grows(floor: Floor) -> None:
    floor.close(id_of(floor.open()))
    floor.record()
    rows = count_rows()
    assert all(rows)
    for statement in (
        "UPDATE orders_journalentry SET body = '{}'",
        "DELETE FROM orders_journalentry",
        "UPDATE orders_deal SET profit = 0",
        "DELETE FROM orders_deal",
        "UPDATE orders_transfer SET amount = 1",
        "DELETE FROM orders_transfer",
        "UPDATE orders_order SET profit = 1",
        "UPDATE orders_order SET version = version - 1",
        "UPDATE orders_order SET status = 'OPEN', version = version + 1",
    ):
        with pytest.raises(IntegrityError, match=r"only grows|is older|stays so"), transaction.atomic():
            connection.cursor().execute(statement)
    assert count_rows() == rows


def test_stamps_are_recorded_to_the_millisecond(floor: Floor) -> None:
    order_id = id_of(floor.open())
    opened_at_ms = floor.order(order_id).opened_at_ms
    floor.record()
    row = Order.objects.get(pk=order_id)
    assert row.opened_at == clock.from_ms(0) + timedelta(milliseconds=opened_at_ms)
    assert (row.closed_at, row.expires_at) == (None, None)
