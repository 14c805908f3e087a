"""The pending monitor: news, indexes read again, shards, waiting, expiry, and what must not stop it."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrading.kernel import clock
from copytrading.kernel.ids import DEMO, LIVE
from orders.book import keys, quotes
from orders.book.triggers import index_account
from orders.models import Deal
from orders.rules.halts import Halt
from orders.verbs import attempt, fire
from orders.verbs import halt as halts
from tests.accounts import rows
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of
from tests.fixtures.sessions import open_market
from tests.fixtures.waiting import eventually
from tests.fixtures.watch import Watch
from workers.monitors import indexes, pending
from workers.monitors.pending import PendingMonitor

STOPS = "sl_index:EURUSD:retail:BUY"


def closed_by(floor: Floor, order_id: str) -> str:
    order = floor.order(order_id)
    return order.reason if order.status == "CLOSED" else order.status


def test_two_monitors_on_one_level_make_one_deal(floor: Floor, watch_on: Callable[..., Watch]) -> None:
    first, second = watch_on(floor), watch_on(floor)
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.quote("1.0951", "1.0953")
    first.hear()
    second.hear()
    assert closed_by(floor, order_id) == "stop_loss"
    assert (first.levels(), second.levels(), second.monitor.lag()["waiting"]) == (0, 0, "0")
    floor.record()
    assert Deal.objects.filter(order_id=order_id, entry="out").count() == 1


def test_a_monitor_that_hears_of_it_by_another_quote_lets_go_too(floor: Floor, watch_on: Callable[..., Watch]) -> None:
    """The first fired the level and died before it removed the hint."""
    second = watch_on(floor)
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    key = f"{order_id}:sl:1"
    floor.fire(order_id, "stop_loss", floor.quote("1.0951", "1.0953"), principal=pending.PRINCIPAL, key=key)
    floor.quote("1.0940", "1.0942")
    with_hint = floor.book.ledger.zcard(STOPS)
    second.hear()
    assert (with_hint, floor.book.ledger.zcard(STOPS), second.levels()) == (1, 0, 0)
    assert second.monitor.lag()["waiting"] == "0"


def test_a_level_set_just_before_a_tick_is_not_missed(watch: Watch) -> None:
    """The news of the level and the tick wait for the monitor side by side."""
    order_id = id_of(watch.floor.open())
    watch.floor.stop(order_id, "1.0950")
    watch.floor.quote("1.0951", "1.0953")
    watch.floor.quote()
    watch.hear()
    assert closed_by(watch.floor, order_id) == "stop_loss"


def test_news_that_comes_after_the_tick_is_judged_by_it(watch: Watch) -> None:
    """Committed before the tick, announced after it: the mark and the hints were lost and mended."""
    floor, ledger = watch.floor, watch.floor.book.ledger
    watch.rest()
    before = floor.state().portfolio.version
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    ledger.hset(keys.marks(floor.ref(LIVE)), "index", str(before))
    ledger.delete(STOPS, keys.QUEUE_LEVELS)
    watch.tick("1.0951", "1.0953")
    assert closed_by(floor, order_id) == "OPEN"
    index_account(floor.ref(LIVE))
    watch.rest()
    assert closed_by(floor, order_id) == "stop_loss"


def test_a_tick_from_before_the_level_does_not_hide_the_one_after_it(watch: Watch) -> None:
    """The monitor is late: it hears a dip, the level set after it, and the dip that fires it, all at once."""
    floor = watch.floor
    order_id = id_of(floor.open())
    early = floor.quote("1.0900", "1.0902")
    floor.quote()
    eventually(lambda: quotes.read(floor.book.market, []).now_ms > early.stamp_ms)
    floor.stop(order_id, "1.0950")
    floor.quote("1.0951", "1.0953")
    floor.quote()
    watch.hear()
    assert (closed_by(floor, order_id), floor.order(order_id).close_price) == ("stop_loss", D("1.0999"))


def test_a_filled_orders_stop_counts_from_the_next_tick_on(watch: Watch) -> None:
    """Even if the monitor hears both ticks at once."""
    floor = watch.floor
    order_id = id_of(floor.place("1.0980", stop_loss=D("1.0950")))
    floor.quote("1.0977", "1.0979")
    floor.quote("1.0951", "1.0953")
    floor.quote()
    watch.hear()
    order = floor.order(order_id)
    assert (order.status, order.reason, order.open_price) == ("CLOSED", "stop_loss", D("1.0980"))


def test_the_indexes_are_read_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A level whose news was lost is known at the latest 60 s later."""
    floor = watch.floor
    watch.rest()
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.book.ledger.delete(keys.QUEUE_LEVELS)
    watch.tick("1.0951", "1.0953")
    assert closed_by(floor, order_id) == "OPEN"
    monkeypatch.setattr(pending, "REREAD_S", 0.0)
    watch.tick("1.0951", "1.0953")
    assert closed_by(floor, order_id) == "stop_loss"


def test_levels_of_ended_orders_do_not_pile_up(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that will never fire are found with the re-reading and taken out of the index; the rest stay."""
    floor = watch.floor
    ended, kept = (id_of(floor.open("0.1", stop_loss=D("1.0950"))) for _ in range(2))
    floor.close(ended)
    moved = id_of(floor.open("0.1", stop_loss=D("1.0940")))
    floor.stop(moved, "1.0930")
    assert floor.book.ledger.zcard(STOPS) == 4
    monkeypatch.setattr(pending, "REREAD_S", 0.0)
    watch.rest()
    account = floor.ref(LIVE)
    members = sorted([f"{account}|{kept}|1", f"{account}|{moved}|2"])
    assert sorted(floor.book.ledger.zrange(STOPS, 0, -1)) == members


def test_a_large_index_is_read_between_ticks(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A level that fires meanwhile fires once; one that is set behind what was read already is not lost."""
    floor = watch.floor
    stops = [
        id_of(floor.open("0.1", stop_loss=D(f"1.{at}"))) for at in ("0900", "0900", "0900", "0910", "0945", "0955")
    ]
    watch.rest()
    monkeypatch.setattr(indexes, "SLICE", 2)
    with monkeypatch.context() as due:
        due.setattr(pending, "REREAD_S", 0.0)
        assert watch.monitor.step() is True, "there is more to read"
    behind = id_of(floor.open("0.1", stop_loss=D("1.0890")))
    watch.tick("1.0951", "1.0953")
    assert [closed_by(floor, order_id) for order_id in stops[-2:]] == ["OPEN", "stop_loss"]
    assert watch.monitor.step() is True
    eventually(lambda: not watch.monitor.step())
    assert (watch.levels(), watch.monitor.lag()["waiting"]) == (6, "0")
    watch.tick("1.0880", "1.0882")
    assert {closed_by(floor, order_id) for order_id in (*stops, behind)} == {"stop_loss"}
    floor.record()
    assert Deal.objects.filter(entry="out").count() == 7


def test_levels_count_as_they_are_read_at_the_start(
    floor: Floor, watch_on: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a tick reached before its level was read is made good when all are."""
    monkeypatch.setattr(indexes, "SLICE", 1)
    stops = [id_of(floor.open("0.1", stop_loss=D(f"1.{at}"))) for at in ("0950", "0940", "0930")]
    floor.quote("1.0945", "1.0947")
    watch = watch_on(floor)
    eventually(lambda: not watch.monitor.step())
    assert [closed_by(floor, order_id) for order_id in stops] == ["stop_loss", "OPEN", "OPEN"]
    assert watch.levels() == 2


def test_what_was_touched_while_nobody_watched_does_not_fire(floor: Floor, watch_on: Callable[..., Watch]) -> None:
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.quote("1.0900", "1.0902")
    floor.quote()
    watch = watch_on(floor)
    assert closed_by(floor, order_id) == "OPEN"
    watch.tick("1.0951", "1.0953")
    assert closed_by(floor, order_id) == "stop_loss"


def test_an_old_setting_is_looked_at_and_removed(watch: Watch) -> None:
    floor, account = watch.floor, watch.floor.ref(LIVE)
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.stop(order_id, "1.0900")
    assert floor.book.ledger.zcard(STOPS) == 2
    watch.tick("1.0951", "1.0953")
    assert closed_by(floor, order_id) == "OPEN"
    assert floor.book.ledger.zrange(STOPS, 0, -1) == [f"{account}|{order_id}|2"]
    floor.stop(order_id, None)
    watch.tick("1.0850", "1.0852")
    assert closed_by(floor, order_id) == "OPEN"
    assert floor.book.ledger.exists(STOPS) == 0


def test_a_hint_to_what_has_left_the_book_is_removed(watch: Watch) -> None:
    """Closed, recorded, and its hour over: nothing but the hint is left."""
    floor = watch.floor
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.close(order_id)
    floor.record()
    floor.book.ledger.delete(keys.holding(floor.ref(LIVE), order_id))
    watch.tick("1.0951", "1.0953")
    assert (watch.levels(), floor.book.ledger.exists(STOPS)) == (0, 0)


def test_a_halted_opening_waits_and_fires_at_the_price_of_then(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = watch.floor
    monkeypatch.setattr(pending, "WAIT_S", 0.0)
    order_id = id_of(floor.place("1.0980"))
    halts.halt(Halt("platform", True, "news"), "user:9")
    with nothing_done(floor.book):
        watch.tick("1.0970", "1.0972")
        watch.rest()
        watch.tick("1.1000", "1.1002")
    halts.lift("platform", "user:9")
    watch.tick("1.0990", "1.0992")
    assert floor.order(order_id).status == "PENDING"
    watch.tick("1.0960", "1.0962")
    assert (floor.order(order_id).status, floor.order(order_id).open_price) == ("OPEN", D("1.0963"))


def test_what_waits_is_judged_by_the_latest_tick(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The halt is lifted while the price stands still: no further tick is needed."""
    floor = watch.floor
    monkeypatch.setattr(pending, "WAIT_S", 0.0)
    order_id = id_of(floor.place("1.0980"))
    halts.halt(Halt("platform", True, "news"), "user:9")
    watch.tick("1.0970", "1.0972")
    halts.lift("platform", "user:9")
    watch.rest()
    assert (floor.order(order_id).status, floor.order(order_id).open_price) == ("OPEN", D("1.0973"))


def test_a_busy_account_does_not_lose_its_stop(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt of the first round loses its race; the price has come back by then."""
    floor = watch.floor
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    decide, races = fire._decide, iter(range(attempt.ATTEMPTS + 2))

    def raced(command: object, gathered: object) -> object:
        decision = decide(command, gathered)  # type: ignore[arg-type]
        if next(races, None) is not None:
            floor.money("deposit", "1")
        return decision

    monkeypatch.setattr(fire, "_decide", raced)
    floor.quote("1.0951", "1.0953")
    floor.quote("1.0930", "1.0932")
    watch.hear()
    assert (closed_by(floor, order_id), floor.order(order_id).close_price) == ("stop_loss", D("1.0950"))
    assert floor.state().portfolio.balance == D(10_000 - 265 + attempt.ATTEMPTS + 2)


def test_a_broken_account_does_not_stop_the_others(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = watch.floor
    monkeypatch.setattr(pending, "WAIT_S", 0.0)
    broken = id_of(floor.open(stop_loss=D("1.0960")))
    sound = id_of(floor.open(account=DEMO, stop_loss=D("1.0950")))
    resting = id_of(floor.place("1.0960", account=DEMO))
    floor.book.ledger.hset(keys.holding(floor.ref(LIVE), broken), "stop_loss", "nonsense")
    halts.halt(Halt("platform", True, "news"), "user:9")
    watch.tick("1.0951", "1.0953")
    assert closed_by(floor, sound) == "stop_loss"
    assert watch.monitor.lag()["waiting"] == "2"
    halts.lift("platform", "user:9")
    watch.rest()  # what waits for a second is not held up by what waits for a minute
    assert floor.order(resting).status == "OPEN"
    assert watch.monitor.lag()["waiting"] == "1"


def test_shards_split_the_symbols(make_floor: Callable[..., Floor], watch_on: Callable[..., Watch]) -> None:
    """CRC-32 of EURUSD is odd, that of AUDUSD even."""
    floor = make_floor({"EURUSD": {}, "AUDUSD": {}})
    floor.quote("0.7000", "0.7002", "AUDUSD")
    euro = id_of(floor.open(stop_loss=D("1.0950")))
    aussie = id_of(floor.open(symbol="AUDUSD", stop_loss=D("0.6950")))
    even, odd = watch_on(floor, (0, 2), "AUDUSD"), watch_on(floor, (1, 2), "EURUSD")
    assert (even.levels(), odd.levels()) == (1, 1)
    floor.quote("1.0951", "1.0953")
    even.tick("0.6960", "0.6962", "AUDUSD")
    assert (closed_by(floor, euro), closed_by(floor, aussie)) == ("OPEN", "OPEN")
    odd.hear()
    even.tick("0.6951", "0.6953", "AUDUSD")
    assert (closed_by(floor, euro), closed_by(floor, aussie)) == ("stop_loss", "stop_loss")


@given(st.from_regex(r"[A-Z0-9][A-Z0-9._]{1,15}", fullmatch=True), st.integers(1, 8))
def test_every_symbol_is_in_one_share(symbol: str, of: int) -> None:
    monitors = [PendingMonitor("test") for _ in range(of)]
    for number, monitor in enumerate(monitors):
        monitor.shard = (number, of)
    assert sum(monitor.mine(symbol) for monitor in monitors) == 1


def test_an_expired_order_ends(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = watch.floor
    monkeypatch.setattr(pending, "EXPIRY_EVERY_S", 0.0)
    expires_at_ms = clock.now_ms() + 400
    ends = id_of(floor.place("1.0980", expires_at_ms=expires_at_ms))
    prolonged = id_of(floor.place("1.0980", expires_at_ms=expires_at_ms))
    freed = id_of(floor.place("1.0980", expires_at_ms=expires_at_ms))
    floor.modify(prolonged, expires_at_ms=expires_at_ms + 3_600_000)
    floor.modify(freed, expires_at_ms=0)
    eventually(lambda: watch.monitor.step() or floor.order(ends).status != "PENDING")
    order = floor.order(ends)
    assert (order.status, order.reason, order.leaves_lots) == ("CANCELLED", "expired", 0)
    assert expires_at_ms <= order.closed_at_ms
    assert {floor.order(prolonged).status, floor.order(freed).status} == {"PENDING"}
    account = floor.ref(LIVE)
    assert floor.book.ledger.zrange("expiry_index:EURUSD", 0, -1) == [f"{account}|{prolonged}|2"]
    floor.record()
    assert floor.differences() == []


def test_an_expiry_outlives_lost_races(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account was busy: the order is ended the next time, not forgotten."""
    floor = watch.floor
    monkeypatch.setattr(pending, "EXPIRY_EVERY_S", 0.0)
    expires_at_ms = clock.now_ms() + 300
    order_id = id_of(floor.place("1.0980", expires_at_ms=expires_at_ms))
    eventually(lambda: clock.now_ms() > expires_at_ms)
    with monkeypatch.context() as busy:
        busy.setattr(attempt, "ATTEMPTS", 0)
        watch.rest()
    assert floor.order(order_id).status == "PENDING"
    watch.rest()
    assert floor.order(order_id).reason == "expired"


def test_a_broken_connection_is_made_anew_and_the_levels_read_again(watch: Watch) -> None:
    floor = watch.floor
    watch.rest()
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.book.ledger.delete(keys.QUEUE_LEVELS)  # the news is lost, so that only the indexes know
    for client in floor.book.market.client_list(_type="pubsub"):
        floor.book.market.client_kill_filter(_id=client["id"])
    watch.subscribe("EURUSD")
    assert watch.levels() == 1
    watch.tick("1.0951", "1.0953")
    assert closed_by(floor, order_id) == "stop_loss"


def test_a_symbol_that_is_offered_later_is_followed(floor: Floor, watch: Watch) -> None:
    rows.offer("retail", "GBPUSD")
    open_market("GBPUSD")
    floor.quote("1.3000", "1.3002", "GBPUSD")
    watch.subscribe("GBPUSD")
    order_id = id_of(floor.open(symbol="GBPUSD", stop_loss=D("1.2950")))
    watch.tick("1.2951", "1.2953", "GBPUSD")
    assert closed_by(floor, order_id) == "stop_loss"
