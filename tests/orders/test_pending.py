"""Resting orders placed, modified, cancelled. EURUSD at 1.1000 / 1.1002: a client buys at 1.1003, sells at 1.0999."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from copytrading.kernel import clock
from copytrading.kernel.ids import KINDS, LIVE
from orders.book import keys
from orders.messages import Done
from tests.accounts import rows
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.sessions import close_market, open_market

RESTS = {"BUY_LIMIT": "1.0980", "SELL_LIMIT": "1.1100", "BUY_STOP": "1.1100", "SELL_STOP": "1.0900"}
HOUR_MS = 3_600_000


@pytest.mark.parametrize("kind", KINDS)
def test_four_types_rest_on_every_kind(floor: Floor, kind: str) -> None:
    before = floor.state(kind).portfolio
    for order_type, price in RESTS.items():
        order = floor.order(id_of(floor.place(price, "0.5", order_type, account=kind)))
        assert (order.status, order.order_type, order.order_price) == ("PENDING", order_type, D(price))
        assert (order.side, order.flow) == (order_type.partition("_")[0], "local")
        assert (order.lots, order.leaves_lots, order.open_lots, order.filled_lots) == (D("0.5"), D("0.5"), 0, 0)
        assert (order.price_version, order.open_price, order.margin) == (1, None, 0)
        index = keys.level_index("pending", "EURUSD", "retail", order_type)
        assert floor.book.ledger.zscore(index, f"{order.account}|{order.order_id}|1") == float(price)
    state = floor.state(kind)
    assert state.portfolio == replace(before, version=before.version + 4)
    assert len(state.orders) == 4
    floor.record()
    assert floor.differences() == []


@pytest.mark.parametrize(
    ("order_type", "at_market", "beyond", "reference"),
    [
        ("BUY_LIMIT", "1.1003", "1.1010", "1.1003"),
        ("SELL_LIMIT", "1.0999", "1.0990", "1.0999"),
        ("BUY_STOP", "1.1003", "1.0990", "1.1003"),
        ("SELL_STOP", "1.0999", "1.1010", "1.0999"),
    ],
)
def test_the_wrong_side_is_refused(floor: Floor, order_type: str, at_market: str, beyond: str, reference: str) -> None:
    with nothing_done(floor.book):
        for price in (at_market, beyond):
            refused = floor.place(price, order_type=order_type)
            assert reason_of(refused) == "invalid_price_side"
            assert refused.facts == {"reference": reference, "distance": "0"}
    tick_away = D(at_market) + (D("-0.00001") if order_type in ("BUY_LIMIT", "SELL_STOP") else D("0.00001"))
    assert isinstance(floor.place(str(tick_away), order_type=order_type), Done)


def test_stops_level_keeps_price_and_levels_away(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor({"EURUSD": {"stops_level": D(10)}})
    with nothing_done(floor.book):
        assert reason_of(floor.place("1.09931")) == "invalid_price_side"
        assert reason_of(floor.place("1.0993", stop_loss=D("1.09831"))) == "invalid_stop_loss"
        assert reason_of(floor.place("1.0993", take_profit=D("1.10029"))) == "invalid_take_profit"
    assert isinstance(floor.place("1.0993", stop_loss=D("1.0983"), take_profit=D("1.1003")), Done)


def test_prices_off_the_tick_are_refused(floor: Floor) -> None:
    for values, field in (
        ({"price": "1.098001"}, "order_price"),
        ({"price": "1.0980", "stop_loss": D("1.090001")}, "stop_loss"),
        ({"price": "1.0980", "take_profit": D("1.100001")}, "take_profit"),
    ):
        with nothing_done(floor.book):
            refused = floor.place(**values)
            assert reason_of(refused) == "invalid_fields"
            assert (list(refused.fields), refused.facts) == ([field], {"tick": "0.00001"})


def test_levels_are_measured_from_the_orders_own_price(floor: Floor) -> None:
    with nothing_done(floor.book):
        assert reason_of(floor.place("1.0980", stop_loss=D("1.0980"))) == "invalid_stop_loss"
        assert reason_of(floor.place("1.0980", stop_loss=D("1.0985"))) == "invalid_stop_loss"
        assert reason_of(floor.place("1.0980", take_profit=D("1.0975"))) == "invalid_take_profit"
        assert reason_of(floor.place("1.11", order_type="SELL_LIMIT", stop_loss=D("1.1090"))) == "invalid_stop_loss"
        assert reason_of(floor.place("1.11", order_type="SELL_LIMIT", take_profit=D("1.1110"))) == "invalid_take_profit"
    # Below the market of now, yet above the order's own price.
    order = floor.order(id_of(floor.place("1.0980", stop_loss=D("1.0979"), take_profit=D("1.0981"))))
    assert (order.stop_loss, order.take_profit) == (D("1.0979"), D("1.0981"))
    assert (order.stop_version, order.take_version) == (1, 1)
    assert floor.book.ledger.exists("sl_index:EURUSD:retail:BUY", "tp_index:EURUSD:retail:BUY") == 0


def test_sizes_and_symbols(floor: Floor) -> None:
    with nothing_done(floor.book):
        for lots in ("0", "0.005", "0.015", "100.01"):
            assert reason_of(floor.place("1.0980", lots)) == "invalid_order_quantity"
        assert reason_of(floor.place("1.0980", symbol="GBPUSD")) == "unknown_symbol"


def test_each_field_is_modified_alone(floor: Floor) -> None:
    order_id = id_of(floor.place("1.0980", stop_loss=D("1.0900")))
    expires_at_ms = clock.now_ms() + HOUR_MS
    asked: list[dict[str, Any]] = [
        {"order_price": D("1.0970")},
        {"lots": D("0.3")},
        {"stop_loss": D("1.0910")},
        {"take_profit": D("1.1000")},
        {"expires_at_ms": expires_at_ms},
        {"expires_at_ms": 0},
    ]
    for version, values in enumerate(asked, start=2):
        before = floor.order(order_id)
        assert isinstance(floor.modify(order_id, **values), Done)
        after = floor.order(order_id)
        since = {f"{each}_since_ms": getattr(after, f"{each}_since_ms") for each in ("price", "stop", "take")}
        assert since["price_since_ms"] >= before.price_since_ms
        expected = replace(
            before,
            price_version=version,
            **since,
            stop_version=before.stop_version + ("stop_loss" in values),
            take_version=before.take_version + ("take_profit" in values),
            leaves_lots=values.get("lots", before.leaves_lots),
            version=before.version + 1,
            **values,
        )
        assert after == expected
    last = floor.order(order_id)
    assert (last.price_version, last.stop_version, last.take_version, last.leaves_lots) == (7, 2, 1, D("0.3"))
    floor.record()
    assert floor.differences() == []


def test_refused_modifications_change_nothing(floor: Floor) -> None:
    order_id = id_of(floor.place("1.0980", stop_loss=D("1.0900"), take_profit=D("1.1050")))
    opened = id_of(floor.open("0.1"))
    with nothing_done(floor.book):
        assert reason_of(floor.modify(order_id, order_price=D("1.1003"))) == "invalid_price_side"
        assert reason_of(floor.modify(order_id, order_price=D("1.098001"))) == "invalid_fields"
        assert reason_of(floor.modify(order_id, order_price=D("1.0900"))) == "invalid_stop_loss"
        assert reason_of(floor.modify(order_id, stop_loss=D("1.0981"))) == "invalid_stop_loss"
        assert reason_of(floor.modify(order_id, take_profit=D("1.0979"))) == "invalid_take_profit"
        assert reason_of(floor.modify(order_id, lots=D("0.005"))) == "invalid_order_quantity"
        assert reason_of(floor.modify(order_id, lots=D(10))) == "insufficient_margin"
        assert reason_of(floor.modify(order_id, expires_at_ms=clock.now_ms() - 1)) == "invalid_fields"
        assert reason_of(floor.modify(opened, order_price=D("1.0970"))) == "order_not_pending"
        assert reason_of(floor.modify(f"ord_l{floor.ref(LIVE).id}_0000000000000", lots=D(1))) == "order_not_found"


def test_a_cancelled_order_is_over(floor: Floor) -> None:
    order_id = id_of(floor.place("1.0980"))
    before = floor.state().portfolio
    done = floor.cancel(order_id)
    assert done.answer["order"]["order_status"] == "CANCELLED"
    order = floor.order(order_id)
    assert (order.status, order.reason, order.lots, order.leaves_lots) == ("CANCELLED", "cancelled", D("0.5"), 0)
    assert order.closed_at_ms > 0
    assert floor.state().orders == {}
    assert floor.state().portfolio == replace(before, version=before.version + 1)
    opened = id_of(floor.open("0.1"))
    with nothing_done(floor.book):
        assert reason_of(floor.cancel(order_id)) == "order_not_pending"
        assert reason_of(floor.modify(order_id, lots=D(1))) == "order_not_pending"
        assert reason_of(floor.cancel(opened)) == "order_not_pending"
        assert reason_of(floor.close(order_id)) == "order_not_open"


def test_an_expiry_lies_ahead(floor: Floor) -> None:
    with nothing_done(floor.book):
        refused = floor.place("1.0980", expires_at_ms=clock.now_ms() - 1)
        assert (reason_of(refused), list(refused.fields)) == ("invalid_fields", ["expires_at"])
    expires_at_ms = clock.now_ms() + HOUR_MS
    order_id = id_of(floor.place("1.0980", expires_at_ms=expires_at_ms))
    assert floor.order(order_id).expires_at_ms == expires_at_ms
    with nothing_done(floor.book):
        assert reason_of(floor.cancel(order_id, because="expired", staff=True)) == "stop_not_set"
    assert floor.order(order_id).status == "PENDING"


def test_placing_asks_whether_it_could_be_carried_alone(floor: Floor) -> None:
    """Five lots take 5,501.50 and float at -200, which leaves 4,298.50; the limit's lots take 1,098 each."""
    floor.open("5")
    with nothing_done(floor.book):
        refused = floor.place("1.0980", "3.92")
        assert reason_of(refused) == "insufficient_margin"
        assert refused.facts == {"required": "4304.16", "available": "4298.5"}
    for _ in range(2):  # resting orders hold nothing, so the second is asked the same
        assert isinstance(floor.place("1.0980", "3.91"), Done)
    assert floor.state().portfolio.used_margin == D("5501.50")
    # Against the long leg only what exceeds it is asked for: 5,550.00 - 5,501.50.
    assert isinstance(floor.place("1.1100", "5", "SELL_LIMIT"), Done)


def test_entry_commission_is_asked_for_as_well(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor({"EURUSD": {"commission_kind": "per_lot", "commission_rate": 7, "commission_timing": "both"}})
    refused = floor.place("1.0980", "9.1")
    assert refused.facts == {"required": "10055.5", "available": "10000"}  # 9,991.80 and 63.70


def test_margin_of_a_placement_by_the_published_example(make_floor: Callable[..., Floor]) -> None:
    """MetaTrader 5: contract 5,000, 1:100; Buy 1 @15.436, Buy 2 @15.432: 2,315.00; Buy Limit 1 @15.412: 3,085.60."""
    rows.instrument(
        "XAGUSD", digits=3, tick=D("0.001"), instrument_class="metal", contract_size=D(5000), margin_currency_id="USD"
    )
    floor = make_floor({"EURUSD": {}, "XAGUSD": {"spread_points": 0, "spread_point": D("0.001")}})
    for price, lots in (("15.436", "1"), ("15.432", "2")):
        floor.quote(price, price, "XAGUSD")
        assert isinstance(floor.open(lots, symbol="XAGUSD"), Done)
    assert floor.state().portfolio.used_margin == D("2315.00")
    floor.quote("15.436", "15.436", "XAGUSD")  # floats at 2 x 5,000 x 0.004 = 40
    assert isinstance(floor.money("withdrawal", "6954.41"), Done)  # leaves a cent less than 3,085.60 of equity
    with nothing_done(floor.book):
        refused = floor.place("15.412", "1", symbol="XAGUSD")
        assert refused.facts == {"required": "770.6", "available": "770.59"}
    floor.money("deposit", "0.01")
    assert isinstance(floor.place("15.412", "1", symbol="XAGUSD"), Done)


def test_a_closed_market_takes_cancels_only(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(ignore_hours=False)
    open_market()
    order_id = id_of(floor.place("1.0980"))
    close_market()
    with nothing_done(floor.book):
        assert reason_of(floor.place("1.0980")) == "market_closed"
        assert reason_of(floor.modify(order_id, order_price=D("1.0970"))) == "market_closed"
        assert reason_of(floor.modify(order_id, lots=D("0.3"))) == "market_closed"
    assert isinstance(floor.cancel(order_id), Done)
    assert floor.order(order_id).status == "CANCELLED"


def test_prices_must_be_there_and_fresh(floor: Floor) -> None:
    order_id = id_of(floor.place("1.0980"))
    floor.book.market.hincrby("market:EURUSD", "stamp", -60_000)
    with nothing_done(floor.book):
        assert reason_of(floor.place("1.0980")) == "stale_price"
        assert reason_of(floor.modify(order_id, lots=D("0.3"))) == "stale_price"
        floor.book.market.delete("market:EURUSD")
        assert reason_of(floor.place("1.0980")) == "no_price"
    assert isinstance(floor.cancel(order_id), Done)


def test_the_provider_flow_is_refused_and_the_stamp_obeyed(floor: Floor) -> None:
    order_id = id_of(floor.place("1.0980"))
    floor.configure(sending_orders="barclays")
    with nothing_done(floor.book):
        assert reason_of(floor.place("1.0980")) == "provider_unavailable"
        assert reason_of(floor.place("1.0980", sending_orders="rock")) == "routing_not_permitted"
    assert isinstance(floor.place("1.0980", sending_orders="rock", staff=True), Done)
    assert isinstance(floor.modify(order_id, order_price=D("1.0970")), Done)
    assert isinstance(floor.cancel(order_id), Done)
    floor.configure(sending_orders="")
    assert reason_of(floor.place("1.0980")) == "unsupported_flow"


def test_status_binds_the_owner(floor: Floor) -> None:
    order_id = id_of(floor.place("1.0980"))
    for status, cancels in (("close_only", None), ("read_only", "account_read_only"), ("disabled", "account_disabled")):
        floor.configure(status=status)
        with nothing_done(floor.book):
            assert reason_of(floor.place("1.0980")) == f"account_{status}"
            assert reason_of(floor.modify(order_id, lots=D("0.3"))) == f"account_{status}"
            if cancels:
                assert reason_of(floor.cancel(order_id)) == cancels
        assert isinstance(floor.modify(order_id, lots=D("0.4"), staff=True), Done)
    assert isinstance(floor.cancel(order_id, staff=True), Done)


def test_repeats_do_nothing(floor: Floor) -> None:
    first = floor.place("1.0980", key="place")
    order_id = id_of(first)
    modified = floor.modify(order_id, lots=D("0.3"), key="modify")
    cancelled = floor.cancel(order_id, key="cancel")
    with nothing_done(floor.book):
        for again, answer in (
            (floor.place("1.0980", key="place"), first.answer),
            (floor.modify(order_id, lots=D("0.3"), key="modify"), modified.answer),
            (floor.cancel(order_id, key="cancel"), cancelled.answer),
        ):
            assert (again.replayed, again.answer) == (True, answer)
        assert reason_of(floor.place("1.0970", key="place")) == "idempotency_mismatch"
        assert reason_of(floor.modify(order_id, lots=D("0.4"), key="modify")) == "idempotency_mismatch"
