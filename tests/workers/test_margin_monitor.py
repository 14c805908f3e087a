"""The margin monitor: what it shows of an account, margin calls latched and released, and holders that are none now."""

from collections.abc import Callable, Iterator
from decimal import Decimal as D

import pytest

from accounts.models import Group, LiveAccount
from copytrading.kernel.ids import DEMO, KINDS, LIVE, AccountRef
from orders.book import keys, terms
from orders.messages import CallMargin
from orders.models import JournalEntry
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from workers.monitors import margin
from workers.monitors.margin import MarginMonitor

HOLDERS = "symbol_holders:EURUSD:live"


@pytest.fixture
def monitor() -> Iterator[MarginMonitor]:
    """Ready; `look` makes a pass over everybody."""
    made = MarginMonitor("test")
    made.prepare()
    yield made
    if made._heard is not None:
        made._heard.close()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _everybody_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(margin, "WHOLE_PASS_S", -1.0)
    monkeypatch.setattr(margin, "_LISTEN_S", 0.01)


def shown(floor: Floor, account: AccountRef | str = LIVE) -> dict[str, str]:
    """Without the time."""
    told = floor.book.market.hgetall(keys.user_margin(floor.ref(account)))
    return {str(name): str(value) for name, value in told.items() if name != "at_ms"}


def call_margin(floor: Floor, called: bool) -> str:
    return reason_of(floor.do(CallMargin, LIVE, called=called, staff=True))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_is_exact(floor: Floor, monitor: MarginMonitor, kind: str) -> None:
    floor.open("0.5", account=kind)
    floor.open("0.3", "SELL", account=kind)
    floor.money("credit_in", "100", kind)
    floor.quote("1.1050", "1.1052")
    monitor.step()
    # The long half lot makes 230.00 at 1.1049, the short 0.3 lose 162.00 at 1.1053; the larger leg takes 550.15.
    assert shown(floor, kind) == {
        "equity": "10168",
        "floating": "68",
        "free_margin": "9617.85",
        "used_margin": "550.15",
        "level": "1848.2232",
        "version": "5",
    }
    assert monitor.lag() == {"holders": "1"}


def test_it_follows_the_ticks(floor: Floor, monitor: MarginMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(margin, "WHOLE_PASS_S", 3600.0)
    monkeypatch.setattr(margin, "PASS_S", -1.0)
    floor.open("0.5")
    monitor.step()
    assert shown(floor)["equity"] == "9980"
    monitor.step()  # hears that it is subscribed
    floor.quote("1.1050", "1.1052")
    while not monitor.step():
        pass
    assert shown(floor)["equity"] == "10230"


def test_who_holds_nothing_is_not_looked_at(floor: Floor, monitor: MarginMonitor) -> None:
    floor.place("1.0980")
    monitor.step()
    assert (shown(floor), monitor.lag()) == ({}, {"holders": "0"})


def test_the_margin_call_is_latched_once_and_released(floor: Floor, monitor: MarginMonitor) -> None:
    """8.5 lots take 9,352.55; at the level of 100 % equity is as much, so a floating loss of 647.45 calls."""
    floor.open("8.5")
    monitor.step()
    assert floor.state().portfolio.margin_called is False
    floor.quote("1.0996", "1.0998")  # floats at -680.00
    version = floor.state().portfolio.version
    for _ in range(3):
        monitor.step()
    called = floor.state().portfolio
    assert (called.margin_called, called.version) == (True, version + 1)
    assert shown(floor)["level"] == "99.652"
    floor.quote("1.0999", "1.1001")  # floats at -425.00
    for _ in range(3):
        monitor.step()
    released = floor.state().portfolio
    assert (released.margin_called, released.version) == (False, version + 2)
    floor.record()
    assert [entry.verb for entry in JournalEntry.objects.filter(account=str(floor.ref(LIVE))).order_by("version")] == [
        "entered", "money", "open", "margin_call", "margin_call",
    ]  # fmt: skip
    assert floor.differences() == []


def test_at_the_level_it_is_called_and_a_cent_above_it_is_not(floor: Floor, monitor: MarginMonitor) -> None:
    floor.open("0.5")  # takes 550.15, floats at -20.00
    floor.money("withdrawal", "9429.84")
    monitor.step()
    assert (shown(floor)["equity"], floor.state().portfolio.margin_called) == ("550.16", False)
    floor.money("correction", "-0.01")
    monitor.step()
    assert (shown(floor)["equity"], floor.state().portfolio.margin_called) == ("550.15", True)
    floor.record()
    assert LiveAccount.objects.get(pk=floor.ref(LIVE).id).margin_called is True


def test_closing_everything_releases_the_call(floor: Floor, monitor: MarginMonitor) -> None:
    order_id = id_of(floor.open("8.5"))
    floor.quote("1.0990", "1.0992")
    monitor.step()
    assert floor.state().portfolio.margin_called is True
    floor.close(order_id)
    monitor.step()
    assert floor.state().portfolio.margin_called is False
    assert shown(floor) | {"version": ""} == {
        "equity": "8810", "floating": "0", "free_margin": "8810", "used_margin": "0", "level": "", "version": "",
    }  # fmt: skip


def test_a_call_is_decided_by_what_is_so_now(floor: Floor) -> None:
    floor.open("8.5")
    with nothing_done(floor.book):
        assert call_margin(floor, called=True) == "conflict"  # the price has come back
        assert call_margin(floor, called=False) == "conflict"  # it was not latched
        floor.quote("1.0990", "1.0992")
        floor.book.market.hincrby("market:EURUSD", "stamp", -60_000)
        assert call_margin(floor, called=True) == "stale_price"


def test_what_cannot_be_valued_is_passed_over(make_floor: Callable[..., Floor], monitor: MarginMonitor) -> None:
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    floor.quote("1.3000", "1.3002", "GBPUSD")
    floor.open("0.1", symbol="GBPUSD")
    floor.open("0.5", account=DEMO)
    floor.book.market.delete("market:GBPUSD")
    monitor.step()
    assert (shown(floor), shown(floor, DEMO)["equity"]) == ({}, "9980")


def test_a_broken_account_does_not_keep_the_others_from_being_measured(floor: Floor, monitor: MarginMonitor) -> None:
    for kind in (LIVE, DEMO):
        floor.open("0.5", account=kind)
    floor.book.ledger.hset(keys.portfolio(floor.ref(LIVE)), "balance", "nonsense")
    monitor.step()
    assert (shown(floor), shown(floor, DEMO)["equity"]) == ({}, "9980")


def test_whoever_is_flat_is_a_holder_no_more(floor: Floor, monitor: MarginMonitor) -> None:
    order_id = id_of(floor.open("0.5"))
    floor.close(order_id)
    assert floor.book.ledger.smembers(HOLDERS) == {str(floor.ref(LIVE))}
    monitor.step()
    assert floor.book.ledger.exists(HOLDERS) == 0
    floor.open("0.5")
    monitor.step()
    assert floor.book.ledger.smembers(HOLDERS) == {str(floor.ref(LIVE))}


def test_whoever_opens_meanwhile_stays_a_holder(floor: Floor, monitor: MarginMonitor) -> None:
    """It was flat when the monitor loaded it, and holds again when the monitor removes it."""
    live = floor.ref(LIVE)
    flat = floor.state()
    floor.open("0.5")
    monitor._drop_stale({live: (flat.portfolio, flat.config)}, {live: {"EURUSD"}})
    assert floor.book.ledger.smembers(HOLDERS) == {str(live)}
    assert floor.differences() == []


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are read at the start and then not again, and nobody is shown in turn."""
    monkeypatch.setattr(margin, "WHOLE_PASS_S", 3600.0)
    monkeypatch.setattr(margin, "PASS_S", 3600.0)


def begin(monitor: MarginMonitor) -> None:
    """All are read, and the monitor hears what is published from now on."""
    monitor.step()
    while monitor.step():
        pass


def hear(monitor: MarginMonitor) -> None:
    while not monitor.step():
        pass


@pytest.mark.usefixtures("seldom")
def test_a_tick_alone_calls_and_releases(floor: Floor, monitor: MarginMonitor) -> None:
    """Both by the screen: nothing else would look at the account for an hour."""
    floor.open("8.5")
    floor.open("0.5", account=DEMO)
    begin(monitor)
    floor.quote("1.0996", "1.0998")
    hear(monitor)
    assert floor.state().portfolio.margin_called is True
    assert shown(floor)["level"] == "99.652"
    assert shown(floor, DEMO)["equity"] == "9980", "who is far from a call is not looked at"
    floor.quote("1.0999", "1.1001")
    hear(monitor)
    assert floor.state().portfolio.margin_called is False


@pytest.mark.usefixtures("seldom")
def test_a_commit_is_told_to_the_monitor(floor: Floor, monitor: MarginMonitor) -> None:
    begin(monitor)
    order_id = id_of(floor.open("0.5"))
    monitor.step()
    assert (shown(floor)["equity"], monitor.lag()) == ("9980", {"holders": "1"})
    floor.money("withdrawal", "9429.85")
    monitor.step()
    assert (shown(floor)["equity"], floor.state().portfolio.margin_called) == ("550.15", True)
    floor.configure(leverage=200)
    monitor.step()
    assert shown(floor)["version"] == str(floor.state().portfolio.version)
    floor.close(order_id)
    monitor.step()
    assert (shown(floor)["equity"], floor.state().portfolio.margin_called) == ("550.15", False)
    monitor.step()
    assert monitor.lag() == {"holders": "0"}


def test_only_commits_of_holders_are_told(floor: Floor) -> None:
    def told() -> int:
        return floor.book.ledger.xlen(keys.QUEUE_ACCOUNTS)

    floor.place("1.0980")
    floor.money("deposit", "5")
    assert told() == 0
    order_id = id_of(floor.open("0.5"))
    floor.money("deposit", "5")
    floor.close(order_id, "0.2")
    floor.close(order_id)
    assert told() == 4
    floor.money("deposit", "5")
    assert told() == 4


@pytest.mark.usefixtures("seldom")
def test_what_was_not_told_is_found_by_reading_all(
    floor: Floor, monitor: MarginMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(monitor)
    floor.open("0.5")
    floor.book.ledger.delete(keys.QUEUE_ACCOUNTS)
    monitor.step()
    assert shown(floor) == {}
    monkeypatch.setattr(margin, "WHOLE_PASS_S", 0.0)
    monitor.step()
    assert shown(floor)["equity"] == "9980"


@pytest.mark.usefixtures("seldom")
def test_holders_are_read_a_few_at_a_time(
    floor: Floor, monitor: MarginMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(margin, "ACCOUNTS_AT_ONCE", 1)
    for kind in KINDS:
        floor.open("0.5", account=kind)
    floor.book.ledger.delete(keys.QUEUE_ACCOUNTS)
    read: list[str] = []
    while monitor.step() or not read:
        read.append(monitor.lag()["holders"])
    assert read[:3] == ["1", "2", "3"]
    assert monitor.lag() == {"holders": "4"}


@pytest.mark.usefixtures("seldom")
def test_a_symbol_without_a_quote_is_valued_by_its_first(
    make_floor: Callable[..., Floor], monitor: MarginMonitor
) -> None:
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    floor.quote("1.3000", "1.3002", "GBPUSD")
    floor.open("6", symbol="GBPUSD")
    floor.open("0.1")
    floor.book.market.delete("market:GBPUSD")
    begin(monitor)
    floor.quote("1.0500", "1.0502")
    hear(monitor)
    assert (shown(floor), floor.state().portfolio.margin_called) == ({}, False)
    floor.quote("1.2900", "1.2902", "GBPUSD")
    hear(monitor)
    assert floor.state().portfolio.margin_called is True


@pytest.mark.usefixtures("seldom")
def test_what_could_not_be_decided_is_looked_at_again(
    make_floor: Callable[..., Floor], monitor: MarginMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two quotes make the call, and one of them is too old to latch it with."""
    monkeypatch.setattr(margin, "LOOK_AGAIN_S", 0.0)
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    floor.quote("1.3000", "1.3002", "GBPUSD")
    floor.open("8")
    floor.open("0.1", symbol="GBPUSD")
    begin(monitor)
    floor.book.market.hincrby("market:GBPUSD", "stamp", -60_000)
    floor.quote("1.0990", "1.0992")
    hear(monitor)
    assert floor.state().portfolio.margin_called is False
    floor.quote("1.3000", "1.3002", "GBPUSD")
    hear(monitor)
    assert floor.state().portfolio.margin_called is True


@pytest.mark.usefixtures("seldom")
def test_changed_terms_hold_at_once(floor: Floor, monitor: MarginMonitor) -> None:
    floor.open("0.5")
    begin(monitor)
    Group.objects.update(margin_call_level=D(2000))
    terms.renew()
    monitor.step()
    assert floor.state().portfolio.margin_called is True
    Group.objects.update(margin_call_level=D(100))
    terms.renew()
    monitor.step()
    assert floor.state().portfolio.margin_called is False


def test_shards_split_the_accounts(floor: Floor) -> None:
    for kind in KINDS:
        floor.open("0.5", account=kind)
    monitors = [MarginMonitor("test") for _ in range(3)]
    for number, each in enumerate(monitors):
        each.shard = (number, 3)
        each.prepare()
        each.step()
        each._heard.close()  # type: ignore[union-attr]
    assert sum(int(each.lag()["holders"]) for each in monitors) == len(KINDS)
    assert all(sum(each.mine(ref) for each in monitors) == 1 for ref in floor.accounts.values())
    assert {shown(floor, kind)["equity"] for kind in KINDS} == {"9980"}
