"""When the ledger is trusted, and how an account enters the book: once, noted first, never begun anew."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import rows_of
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import DEMO, KINDS, LIVE, AccountRef
from orders.book import guard, keys
from orders.book.account import Result, commit, load
from orders.book.connection import incarnation, ledger, unguarded_ledger
from orders.messages import Done
from tests.accounts import rows
from tests.book.looking import contents
from tests.book.together import Gate, at_once
from tests.book.wire import Wire
from tests.fixtures.book import Book, Cluster, forget
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.waiting import eventually
from workers.sweeper import Sweeper

both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)


def restarted(book: Book) -> None:
    """As after a restart of every node: nobody has compared the ledger with the record since."""
    book.market.delete(keys.LEDGER_CLEARED)
    forget()


def swept() -> Sweeper:
    sweeper = Sweeper("test")
    sweeper.prepare()
    sweeper.step()
    return sweeper


@both
def test_a_ledger_that_nobody_checked_refuses_everything(floor: Floor) -> None:
    order_id = id_of(floor.open())
    quote = floor.quote()
    before = contents(floor.book)
    restarted(floor.book)
    asks: list[Callable[[], Any]] = [
        lambda: load(floor.ref(LIVE)),
        floor.open,
        lambda: floor.place("1.0980"),
        lambda: floor.close(order_id),
        lambda: floor.stop(order_id, "1.0950"),
        lambda: floor.fire(order_id, "stop_loss", quote),
        lambda: floor.money("deposit", "5"),
        lambda: floor.transfer(DEMO, "5"),
        lambda: floor.configure(leverage=50),
        floor.record,
        lambda: guard.enter(rows.account(LIVE, "bob").ref),
    ]
    for ask in asks:
        with pytest.raises(LedgerUnavailable, match="not been compared with the record yet; the sweeper does that"):
            ask()
    assert contents(floor.book) == before
    assert len(guard.uncleared()) == len(floor.book.ledger_nodes)


@both
def test_the_sweeper_opens_a_ledger_in_which_nothing_is_missing(floor: Floor) -> None:
    order_id = id_of(floor.open())
    floor.record()
    floor.open("0.1")
    restarted(floor.book)
    swept()
    assert guard.uncleared() == []
    assert isinstance(floor.close(order_id), Done)


def test_opening_once_is_enough(floor: Floor) -> None:
    assert guard.clear() == []
    restarted(floor.book)
    assert guard.clear() == []
    cleared = floor.book.market.smembers(keys.LEDGER_CLEARED)
    assert guard.clear() == []
    assert floor.book.market.smembers(keys.LEDGER_CLEARED) == cleared == {incarnation(floor.book.ledger.info())}


@pytest.fixture
def set_ledger(book: Book) -> Iterator[Callable[[str, str], None]]:
    """Changes settings of the ledger; they are put back after the test."""
    before: dict[str, str] = {}

    def change(name: str, value: str) -> None:
        before[name] = str(book.ledger.config_get(name)[name])
        book.ledger.config_set(name, value)

    yield change
    for name, value in before.items():
        book.ledger.config_set(name, value)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ],
)
def test_a_ledger_that_may_lose_is_not_opened_unless_told(
    floor: Floor,
    settings: Settings,
    set_ledger: Callable[[str, str], None],
    name: str,
    value: str,
    wanted: str,
) -> None:
    set_ledger(name, value)
    restarted(floor.book)
    fault = f"the ledger's {name} is '{value}'; set it to '{wanted}', or allow ALLOW_VOLATILE_LEDGER=1"
    assert guard.clear() == [fault]
    with pytest.raises(LedgerUnavailable):
        floor.open()
    settings.ALLOW_VOLATILE_LEDGER = True
    assert guard.clear() == []
    assert isinstance(floor.open(), Done)


@both
def test_a_ledger_that_went_back_is_not_opened(floor: Floor) -> None:
    floor.open()
    floor.record()
    behind, absent = floor.ref(LIVE), floor.ref(DEMO)
    recorded = floor.state(LIVE).portfolio.version
    ledger().run([(keys.portfolio(behind), ("HSET", keys.portfolio(behind), "version", recorded - 1))])
    ledger().run([(keys.portfolio(absent), ("DEL", keys.portfolio(absent)))])
    restarted(floor.book)
    assert guard.clear() == [
        f"{behind} is at version 2, recorded is 3: run audit, then rebuild_book",
        f"{absent} is at version 0, recorded is 2: run audit, then rebuild_book",
    ]
    assert guard.losses(unguarded_ledger()) == [guard.Loss(behind, 2, 3), guard.Loss(absent, 0, 2)]
    swept()
    with pytest.raises(LedgerUnavailable, match="not been compared"):
        floor.open(account="copy_follower")


def test_a_ledger_ahead_of_the_record_is_opened(floor: Floor) -> None:
    floor.record()
    floor.open()
    restarted(floor.book)
    assert guard.clear() == []


def test_a_ledger_that_can_not_be_asked_is_not_opened(floor: Floor, settings: Settings) -> None:
    settings.LEDGER_URL = "redis://127.0.0.1:1/0"
    forget()
    (fault,) = guard.clear()
    assert fault.startswith("the ledger can't be checked now: ")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("book", ["cluster"], indirect=True)
def test_a_node_that_was_killed_trades_again_once_it_was_compared(floor: Floor, cluster: Cluster) -> None:
    order_id = id_of(floor.open())
    floor.record()
    owner = ledger().node_of(keys.portfolio(floor.ref(LIVE))).connection_pool.connection_kwargs["port"]
    node = next(each for each in cluster.nodes if each.port == owner)
    node.kill()
    with pytest.raises(LedgerUnavailable):
        floor.open("0.1")
    node.start()
    with pytest.raises(LedgerUnavailable):
        floor.open("0.1")

    def cleared() -> bool:
        return guard.clear() == []

    eventually(cleared, limit_s=60)
    eventually(lambda: _agreed(floor.book), limit_s=60)
    assert isinstance(floor.close(order_id), Done)
    floor.record()
    assert floor.differences() == []


def _agreed(book: Book) -> bool:
    return all("cluster_state:ok" in node.execute_command("CLUSTER", "INFO") for node in book.ledger_nodes)


@both
def test_an_account_enters_from_its_own_table(floor: Floor) -> None:
    for kind in KINDS:
        row = rows.account(kind, "bob", sending_orders="rock", leverage=200, status="close_only")
        assert row.book_ledger_id == ""
        assert guard.enter(row.ref) is True
        row.refresh_from_db()
        assert row.book_ledger_id == guard.ledger_id(ledger()) != ""
        assert row.book_entered_at is not None
        state = load(row.ref)
        assert (state.portfolio.version, state.portfolio.balance) == (1, 0)
        config = state.config
        assert (config.group, config.leverage, config.currency, config.status) == ("retail", 200, "USD", "close_only")
        assert (config.sending_orders, config.owner) == ("rock", row.owner_id)
        assert guard.enter(row.ref) is True
        assert len(contents(floor.book)[keys.journal(row.ref)]) == 1


def test_nobody_enters_without_a_row(floor: Floor) -> None:
    nobody = AccountRef(LIVE, 999_999)
    assert guard.enter(nobody) is False
    assert reason_of(floor.money("deposit", "5", nobody)) == "account_not_found"
    assert "999999" not in " ".join(floor.book.keys())


@both
def test_an_account_that_was_there_and_is_missing_is_never_begun_anew(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_ENTRY_PATIENCE_S", 0.05)
    lost = floor.ref(LIVE)
    ledger().run([(keys.portfolio(lost), ("DEL", keys.portfolio(lost)))])
    before = contents(floor.book)
    for ask in (floor.open, lambda: floor.money("deposit", "5"), lambda: floor.transfer(LIVE, "5", DEMO)):
        with pytest.raises(
            LedgerUnavailable, match=f"{lost} was in the book and is missing: run rebuild_book --account"
        ):
            ask()
    assert contents(floor.book) == before
    assert isinstance(floor.open(account=DEMO), Done)


@both
def test_ten_first_entries_at_once_are_one(floor: Floor) -> None:
    account = rows.account(LIVE, "bob", sending_orders="rock").ref
    assert at_once([lambda: guard.enter(account)] * 10) == [True] * 10
    ((name, written),) = contents(floor.book)[keys.journal(account)]
    assert (name, written["prev"]) == ("1-0", "0")
    assert load(account).portfolio.version == 1


class TestBetweenNoteAndEntry:
    """PostgreSQL has noted the entry, and the account is not in the ledger yet."""

    @pytest.fixture
    def gate(self, monkeypatch: pytest.MonkeyPatch) -> Gate:
        made = Gate()

        def slow(*args: Any, **named: Any) -> Result:
            made.pass_through()
            return commit(*args, **named)

        monkeypatch.setattr(guard, "commit", slow)
        return made

    def test_another_waits_for_the_one_who_noted_it(self, floor: Floor, gate: Gate) -> None:
        account = rows.account(LIVE, "bob", sending_orders="rock").ref
        entered: list[bool] = []
        first = threading.Thread(target=lambda: entered.extend(at_once([lambda: guard.enter(account)])))
        first.start()
        gate.wait_until_reached()
        opening = threading.Timer(0.1, gate.open)
        opening.start()
        assert guard.enter(account) is True
        first.join()
        assert entered == [True]
        assert load(account).portfolio.version == 1

    def test_and_takes_it_for_lost_when_nobody_comes(
        self, floor: Floor, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "_ENTRY_PATIENCE_S", 0.05)
        account = rows.account(LIVE, "bob", sending_orders="rock").ref
        rows_of(LIVE).filter(pk=account.id).update(book_ledger_id="x", book_entered_at="2026-01-05T12:00:00Z")
        with pytest.raises(LedgerUnavailable, match="was in the book and is missing"):
            guard.enter(account)
        assert str(account) not in " ".join(floor.book.keys())


@pytest.mark.parametrize(("fate", "enters"), [("reply lost", True), ("request lost", False)])
def test_an_entry_whose_reply_was_lost_is_looked_for(
    floor: Floor, settings: Settings, monkeypatch: pytest.MonkeyPatch, fate: Any, enters: bool
) -> None:
    """The command itself was not sent: whether it goes on depends on whether the account is there."""
    monkeypatch.setattr(guard, "_ENTRY_PATIENCE_S", 0.05)
    account = rows.account(LIVE, "bob", sending_orders="rock").ref
    wire = Wire(settings.LEDGER_URL)
    settings.LEDGER_URL = wire.url
    forget()
    try:
        wire.watch("EVALSHA", fate)
        if enters:
            assert isinstance(floor.money("deposit", "5", account), Done)
        else:
            with pytest.raises(LedgerUnavailable, match="was in the book and is missing"):
                floor.money("deposit", "5", account)
    finally:
        forget()
        wire.close()


def test_a_ledger_has_one_name_until_it_is_wiped(book: Book) -> None:
    first = guard.ledger_id(ledger())
    assert guard.ledger_id(ledger()) == first
    book.flush()
    assert guard.ledger_id(ledger()) != first
