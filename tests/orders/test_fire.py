"""Levels that are touched: the first raw quote that fires each, what it fills at, and what must wait or never fire."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal as D
from typing import Any

import pytest

from copytrading.kernel import clock
from copytrading.kernel.ids import LIVE
from orders.book import quotes
from orders.messages import Done
from orders.models import Deal, JournalEntry
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.sessions import close_market, open_market
from tests.fixtures.waiting import eventually
from tests.fixtures.watch import Watch

#: Half-spread 0.0001 on EURUSD: the client's bid is the raw one less 0.0001, his ask the raw one plus 0.0001.
RETURNED = ("1.1000", "1.1002")


@dataclass(frozen=True)
class Row:
    """Raw quotes: `not_yet` is a tick from firing, `fires` the first that does, at `level`; `gap` fills at `gapped`."""

    order_type: str
    kind: str
    level: str
    not_yet: str
    fires: str
    gap: str
    gapped: str

    def set_up(self, floor: Floor) -> str:
        if self.kind == "price":
            return id_of(floor.place(self.level, order_type=self.order_type))
        level: dict[str, Any] = {self.kind: D(self.level)}
        return id_of(floor.open(order_type=self.order_type, **level))


ROWS = [
    Row("BUY", "stop_loss", "1.0950", "1.09511 1.0953", "1.0951 1.0953", "1.0900 1.0902", "1.0899"),
    Row("BUY", "take_profit", "1.1050", "1.10509 1.1053", "1.1051 1.1053", "1.1100 1.1102", "1.1099"),
    Row("SELL", "stop_loss", "1.1050", "1.1046 1.10489", "1.1047 1.1049", "1.1100 1.1102", "1.1103"),
    Row("SELL", "take_profit", "1.0950", "1.0947 1.09491", "1.0947 1.0949", "1.0900 1.0902", "1.0903"),
    Row("BUY_LIMIT", "price", "1.0980", "1.0977 1.09791", "1.0977 1.0979", "1.0900 1.0902", "1.0903"),
    Row("SELL_LIMIT", "price", "1.1100", "1.11009 1.1103", "1.1101 1.1103", "1.1200 1.1202", "1.1199"),
    Row("BUY_STOP", "price", "1.1100", "1.1097 1.10989", "1.1097 1.1099", "1.1200 1.1202", "1.1203"),
    Row("SELL_STOP", "price", "1.0900", "1.09011 1.0903", "1.0901 1.0903", "1.0800 1.0802", "1.0799"),
]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.order_type}-{row.kind}")


def assert_fired(floor: Floor, order_id: str, row: Row, price: str) -> None:
    order = floor.order(order_id)
    if row.kind == "price":
        assert (order.status, order.open_price, order.open_lots, order.leaves_lots) == ("OPEN", D(price), D("0.5"), 0)
        assert floor.state().portfolio.used_margin == D(price) * 500
    else:
        assert (order.status, order.reason, order.close_price, order.open_lots) == ("CLOSED", row.kind, D(price), 0)
        opened, sign = (D("1.1003"), 1) if order.side == "BUY" else (D("1.0999"), -1)
        assert order.profit == sign * (D(price) - opened) * 50_000
        assert floor.state().portfolio.balance == 10_000 + order.profit
        assert floor.state().portfolio.used_margin == 0


@rows
def test_the_first_quote_that_fires(floor: Floor, row: Row) -> None:
    order_id = row.set_up(floor)
    not_yet, fires = floor.quote(*row.not_yet.split()), floor.quote(*row.fires.split())
    with nothing_done(floor.book):
        assert reason_of(floor.fire(order_id, row.kind, not_yet)) == "price_moved"
    assert isinstance(floor.fire(order_id, row.kind, fires), Done)
    assert_fired(floor, order_id, row, row.level)


@rows
def test_the_monitor_fires_by_it(watch: Watch, row: Row) -> None:
    floor, order_id = watch.floor, row.set_up(watch.floor)
    with nothing_done(floor.book):
        watch.tick(*row.not_yet.split())
    watch.tick(*row.fires.split())
    assert_fired(floor, order_id, row, row.level)
    family = {"price": "pending", "stop_loss": "sl", "take_profit": "tp"}[row.kind]
    assert floor.book.ledger.exists(f"{family}_index:EURUSD:retail:{row.order_type}") == 0
    floor.record()
    assert floor.differences() == []


@rows
def test_after_a_gap_the_market_fills(watch: Watch, row: Row) -> None:
    order_id = row.set_up(watch.floor)
    watch.tick(*row.gap.split())
    assert_fired(watch.floor, order_id, row, row.gapped)


@rows
def test_a_newer_quote_counts_if_it_is_better(floor: Floor, row: Row) -> None:
    """Of the quote that fired and the latest, the client gets the better."""
    for better in (True, False):
        floor.quote(*RETURNED)
        order_id = row.set_up(floor)
        fired = floor.quote(*row.fires.split())
        buys = row.order_type.startswith("BUY") == (row.kind == "price")
        away = D("-0.0010") if better == buys else D("0.0010")
        floor.quote(str(fired.bid + away), str(fired.ask + away))
        assert isinstance(floor.fire(order_id, row.kind, fired), Done)
        order = floor.order(order_id)
        filled = order.open_price if row.kind == "price" else order.close_price
        assert filled == D(row.level) + (away if better else 0)


def test_a_newer_quote_that_is_no_price_is_passed_over(floor: Floor) -> None:
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    fired = floor.quote("1.0951", "1.0953")
    floor.quote("1.2000", "1.1000")
    floor.fire(order_id, "stop_loss", fired)
    assert floor.order(order_id).close_price == D("1.0950")


def both_touched(floor: Floor) -> str:
    """A BUY whose take profit was passed while nobody watched, and whose stop was then drawn up behind the price."""
    order_id = id_of(floor.open(take_profit=D("1.1060")))
    floor.quote("1.1100", "1.1102")
    assert isinstance(floor.stop(order_id, "1.1090"), Done)
    return order_id


def test_of_both_on_one_quote_the_stop_loss_fires(floor: Floor) -> None:
    order_id = both_touched(floor)
    both = floor.quote("1.1080", "1.1082")
    with nothing_done(floor.book):
        assert reason_of(floor.fire(order_id, "take_profit", both)) == "price_moved"
    floor.fire(order_id, "stop_loss", both)
    assert (floor.order(order_id).reason, floor.order(order_id).close_price) == ("stop_loss", D("1.1079"))


def test_the_monitor_too_takes_the_stop_loss(make_floor: Callable[..., Floor], watch_on: Callable[..., Watch]) -> None:
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    floor.quote("1.3000", "1.3002", "GBPUSD")
    order_id = both_touched(floor)
    watch = watch_on(floor, symbol="GBPUSD")
    assert watch.levels() == 2
    watch.tick("1.1080", "1.1082")
    assert (floor.order(order_id).reason, floor.order(order_id).close_price) == ("stop_loss", D("1.1079"))
    assert watch.levels() == 0
    assert floor.book.ledger.exists("sl_index:EURUSD:retail:BUY", "tp_index:EURUSD:retail:BUY") == 0
    floor.record()
    assert Deal.objects.filter(order_id=order_id, entry="out").count() == 1


def test_a_quote_too_old_or_no_price_never_fires(floor: Floor) -> None:
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    resting = id_of(floor.place("1.0980"))
    fired = floor.quote("1.0900", "1.0902")
    for bad in (
        replace(fired, stamp_ms=fired.stamp_ms - 60_000),
        replace(fired, bid=D("1.0900"), ask=D("1.0899")),
        replace(fired, bid=D(0), ask=D(0)),
    ):
        with nothing_done(floor.book):
            assert reason_of(floor.fire(order_id, "stop_loss", bad)) == "stale_price"
            assert reason_of(floor.fire(resting, "price", bad)) == "stale_price"


def test_a_quote_from_before_the_level_was_set_does_not_fire_it(floor: Floor) -> None:
    """The monitor may hear a tick late, after the market has come back and a level was set behind it."""
    order_id, resting = id_of(floor.open()), id_of(floor.place("1.0800"))
    late = floor.quote("1.0900", "1.0902")
    floor.quote(*RETURNED)
    eventually(lambda: quotes.read(floor.book.market, []).now_ms > late.stamp_ms)
    floor.stop(order_id, "1.0950")
    floor.take(order_id, "1.1050")
    floor.modify(resting, order_price=D("1.0980"))
    opened = id_of(floor.open(stop_loss=D("1.0950")))
    placed = id_of(floor.place("1.0980"))
    with nothing_done(floor.book):
        for outcome in (
            floor.fire(order_id, "stop_loss", late),
            floor.fire(order_id, "take_profit", replace(late, bid=D("1.1200"), ask=D("1.1202"))),
            floor.fire(resting, "price", late, version=2),
            floor.fire(opened, "stop_loss", late),
            floor.fire(placed, "price", late),
        ):
            assert reason_of(outcome) == "price_moved"


def test_a_quote_from_before_the_fill_does_not_fire_the_stop(floor: Floor) -> None:
    """Of a buy stop: until it is filled the market is beyond its stop loss."""
    order_id = id_of(floor.place("1.1100", order_type="BUY_STOP", stop_loss=D("1.1050")))
    late = floor.quote("1.1000", "1.1002")
    eventually(lambda: quotes.read(floor.book.market, []).now_ms > late.stamp_ms)
    fired = floor.quote("1.1097", "1.1099")
    floor.fire(order_id, "price", fired)
    with nothing_done(floor.book):
        assert reason_of(floor.fire(order_id, "stop_loss", late)) == "price_moved"
    assert isinstance(floor.fire(order_id, "stop_loss", floor.quote("1.1051", "1.1053")), Done)
    assert floor.state().portfolio.balance == D("9750.00")


def test_only_the_setting_that_was_seen_fires(floor: Floor) -> None:
    order_id = id_of(floor.open(stop_loss=D("1.0950"), take_profit=D("1.1050")))
    resting = id_of(floor.place("1.0980"))
    floor.stop(order_id, "1.0951")
    floor.take(order_id, None)
    floor.modify(resting, order_price=D("1.0970"))
    low, high = floor.quote("1.0900", "1.0902"), floor.quote("1.1200", "1.1202")
    with nothing_done(floor.book):
        assert reason_of(floor.fire(order_id, "stop_loss", low)) == "stop_not_set"
        assert reason_of(floor.fire(order_id, "take_profit", high)) == "stop_not_set"
        assert reason_of(floor.fire(resting, "price", low)) == "stop_not_set"
        assert reason_of(floor.fire(resting, "stop_loss", low, version=0)) == "stop_not_set"


def test_what_is_over_does_not_fire(floor: Floor) -> None:
    closed, cancelled = id_of(floor.open(stop_loss=D("1.0950"))), id_of(floor.place("1.0980"))
    floor.close(closed)
    floor.cancel(cancelled)
    low = floor.quote("1.0900", "1.0902")
    with nothing_done(floor.book):
        assert reason_of(floor.fire(closed, "stop_loss", low)) == "stop_not_set"
        assert reason_of(floor.fire(cancelled, "price", low)) == "stop_not_set"


def test_a_level_fires_once_whoever_asks(floor: Floor) -> None:
    """Two monitors name the same level, each with the quote it heard."""
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    first, second = floor.quote("1.0951", "1.0953"), floor.quote("1.0940", "1.0942")
    done = floor.fire(order_id, "stop_loss", first, key="level")
    with nothing_done(floor.book):
        again = floor.fire(order_id, "stop_loss", second, key="level")
        assert (again.replayed, again.answer) == (True, done.answer)
        assert reason_of(floor.fire(order_id, "stop_loss", second, key="another")) == "stop_not_set"


def test_without_margin_at_the_trigger_the_order_ends(floor: Floor) -> None:
    resting = id_of(floor.place("1.0980", "5"))
    floor.open("5")  # takes 5,501.50 of the 10,000; the limit would take 5,490.00 more
    before = floor.state().portfolio
    fired = floor.quote("1.0977", "1.0979")
    assert isinstance(floor.fire(resting, "price", fired), Done)
    order, after = floor.order(resting), floor.state().portfolio
    assert (order.status, order.reason) == ("CANCELLED", "insufficient_margin")
    assert (order.leaves_lots, order.open_lots) == (0, 0)
    assert after == replace(before, version=before.version + 1)
    floor.record()
    assert floor.differences() == []


def test_an_expired_order_ends_instead_of_firing(floor: Floor) -> None:
    expires_at_ms = clock.now_ms() + 100
    resting = id_of(floor.place("1.0980", expires_at_ms=expires_at_ms))
    eventually(lambda: clock.now_ms() > expires_at_ms + 5)
    floor.fire(resting, "price", floor.quote("1.0977", "1.0979"))
    assert (floor.order(resting).status, floor.order(resting).reason) == ("CANCELLED", "expired")


def test_a_filled_order_is_protected_from_then_on(watch: Watch) -> None:
    floor = watch.floor
    order_id = id_of(floor.place("1.0980", stop_loss=D("1.0950"), take_profit=D("1.1000")))
    with nothing_done(floor.book):
        watch.tick("1.1020", "1.1022")  # beyond the take profit, but nothing is open yet
    watch.tick("1.0977", "1.0979")
    assert floor.order(order_id).status == "OPEN"
    watch.tick("1.0951", "1.0953")
    order = floor.order(order_id)
    assert (order.status, order.reason) == ("CLOSED", "stop_loss")
    assert (order.open_price, order.close_price) == (D("1.0980"), D("1.0950"))
    assert floor.state().portfolio.balance == D("9850.00")


def test_commission_is_charged_both_ways(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor({"EURUSD": {"commission_kind": "per_lot", "commission_rate": 7, "commission_timing": "both"}})
    order_id = id_of(floor.place("1.0980", take_profit=D("1.1000")))
    floor.fire(order_id, "price", floor.quote("1.0977", "1.0979"))
    assert floor.state().portfolio.balance == D("9996.50")
    floor.fire(order_id, "take_profit", floor.quote("1.1001", "1.1003"))
    order = floor.order(order_id)
    assert (order.profit, order.commission) == (D("100.00"), D("-7.00"))
    assert floor.state().portfolio.balance == D("10093.00")


def test_status_and_routing_do_not_bind_triggers(floor: Floor) -> None:
    order_id, resting = id_of(floor.open(stop_loss=D("1.0950"))), id_of(floor.place("1.0980"))
    floor.configure(status="disabled", sending_orders="barclays")
    low = floor.quote("1.0940", "1.0942")
    assert isinstance(floor.fire(resting, "price", low), Done)
    assert isinstance(floor.fire(order_id, "stop_loss", low), Done)
    assert floor.order(resting).flow == "local"


def test_a_closed_market_lets_everything_wait(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(ignore_hours=False)
    open_market()
    order_id, resting = id_of(floor.open(stop_loss=D("1.0950"))), id_of(floor.place("1.0980"))
    low = floor.quote("1.0940", "1.0942")
    close_market()
    with nothing_done(floor.book):
        assert reason_of(floor.fire(order_id, "stop_loss", low)) == "market_closed"
        assert reason_of(floor.fire(resting, "price", low)) == "market_closed"
    open_market()
    assert isinstance(floor.fire(order_id, "stop_loss", low), Done)
    assert isinstance(floor.fire(resting, "price", low), Done)


@pytest.mark.parametrize("scope", ["platform", "group:retail", "instrument:EURUSD"])
def test_a_halt_of_opening_lets_stops_fire(floor: Floor, scope: str) -> None:
    order_id, resting = id_of(floor.open(stop_loss=D("1.0950"))), id_of(floor.place("1.0980"))
    halts.halt(Halt(scope, opens_only=True, reason="news"), "user:9")
    low = floor.quote("1.0940", "1.0942")
    with nothing_done(floor.book):
        assert reason_of(floor.fire(resting, "price", low)) == "trading_halted"
    assert isinstance(floor.fire(order_id, "stop_loss", low), Done)
    halts.lift(scope, "user:9")
    assert isinstance(floor.fire(resting, "price", low), Done)


def test_a_halt_of_everything_lets_stops_wait(floor: Floor) -> None:
    """A feed that tells nonsense is halted so that nobody is stopped out by it."""
    order_id = id_of(floor.open(stop_loss=D("1.0950"), take_profit=D("1.1050")))
    halts.halt(Halt("instrument:EURUSD", opens_only=False, reason="feed"), "user:9")
    low, high = floor.quote("1.0940", "1.0942"), floor.quote("1.1100", "1.1102")
    with nothing_done(floor.book):
        assert reason_of(floor.fire(order_id, "stop_loss", low)) == "trading_halted"
        assert reason_of(floor.fire(order_id, "take_profit", high)) == "trading_halted"
    halts.lift("instrument:EURUSD", "user:9")
    assert isinstance(floor.fire(order_id, "take_profit", high), Done)


def test_the_journal_names_the_quote_that_fired(floor: Floor) -> None:
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    fired = floor.quote("1.0951", "1.0953")
    floor.fire(order_id, "stop_loss", fired)
    floor.record()
    entry = JournalEntry.objects.get(account=str(floor.ref(LIVE)), verb="fire")
    named = json.loads(entry.body)["quotes"]
    assert [(q["bid"], q["ask"], q["sequence"]) for q in named] == [("1.0951", "1.0953", str(fired.sequence))]
