"""What an account is allowed, changed by a commit: in force for what comes after, never for what is."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from accounts import catalogue
from accounts.models import GroupInstrument, model_of
from copytrading.kernel.ids import KINDS, LIVE
from orders.messages import Done
from orders.models import JournalEntry
from tests.accounts import rows
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.watch import Watch


def make_group(name: str, offers: dict[str, dict[str, Any]], currency: str = "USD", **values: Any) -> None:
    """A second group beside the floor's."""
    rows.group(name, currency, **{"ignore_hours": True, **values})
    for symbol, terms in offers.items():
        rows.offer(name, symbol, **terms)
    catalogue.forget()


@pytest.mark.parametrize("kind", KINDS)
def test_the_recorder_writes_the_columns(floor: Floor, kind: str) -> None:
    make_group("pro", {"EURUSD": {}})
    before = floor.state(kind)
    done = floor.configure(kind, group="pro", leverage=200, status="close_only", sending_orders="barclays")
    after = floor.state(kind)
    wanted: dict[str, Any] = {"group": "pro", "leverage": 200, "status": "close_only", "sending_orders": "barclays"}
    assert after.config == replace(before.config, **wanted)
    assert after.portfolio == replace(before.portfolio, version=before.portfolio.version + 1)
    same = {"currency": "USD", "owner": str(before.config.owner)}
    old = {"group": "retail", "leverage": "100", "status": "active", "sending_orders": "rock"}
    assert done.answer == {"before": old | same, "after": wanted | same | {"leverage": "200"}}
    row = model_of(kind).objects.get(pk=floor.ref(kind).id)
    assert (row.group_id, row.leverage, row.status, row.sending_orders) == ("retail", 100, "active", "rock")
    floor.record()
    row.refresh_from_db()
    assert (row.group_id, row.leverage, row.status, row.sending_orders) == ("pro", 200, "close_only", "barclays")
    entry = JournalEntry.objects.get(account=str(floor.ref(kind)), verb="configure")
    assert '"note":"because"' in entry.body
    assert floor.differences() == []


def test_one_value_leaves_the_others(floor: Floor) -> None:
    before = floor.state().config
    floor.configure(leverage=50)
    assert floor.state().config == replace(before, leverage=50)
    floor.configure(sending_orders="")
    assert floor.state().config == replace(before, leverage=50, sending_orders="")


def test_leverage_binds_new_orders_only(floor: Floor) -> None:
    floor.open("0.5")
    floor.configure(leverage=200)
    assert floor.state().portfolio.used_margin == D("550.15")
    second = id_of(floor.open("0.5"))
    assert floor.order(second).margin == D("275.08")  # 275.075, half up
    assert floor.state().portfolio.used_margin == D("825.23")
    floor.record()
    assert floor.differences() == []


@pytest.mark.parametrize(
    ("values", "reason", "fields"),
    [
        ({"leverage": 0}, "invalid_leverage", []),
        ({"leverage": 5001}, "invalid_leverage", []),
        ({"status": "asleep"}, "invalid_fields", ["status"]),
        ({"sending_orders": "goldman"}, "invalid_fields", ["sending_orders"]),
        ({"group": "nowhere"}, "missing_group_data", []),
        ({"group": "euros"}, "currency_mismatch", []),
        ({"leverage": 200, "status": "asleep"}, "invalid_fields", ["status"]),
    ],
)
def test_refusals_change_nothing(floor: Floor, values: dict[str, Any], reason: str, fields: list[str]) -> None:
    make_group("euros", {"EURUSD": {}}, "EUR")
    with nothing_done(floor.book):
        refused = floor.configure(**values)
        assert (reason_of(refused), list(refused.fields)) == (reason, fields)


@pytest.mark.parametrize("rests", [False, True])
def test_a_group_must_offer_what_the_account_has(make_floor: Callable[..., Floor], rests: bool) -> None:
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    floor.quote("1.3000", "1.3002", "GBPUSD")
    make_group("narrow", {"EURUSD": {}})
    floor.open("0.1")
    held = id_of(floor.place("1.2000", symbol="GBPUSD") if rests else floor.open("0.1", symbol="GBPUSD"))
    with nothing_done(floor.book):
        refused = floor.configure(group="narrow")
        assert reason_of(refused) == "open_orders_exist"
        assert "GBPUSD" in refused.detail
        assert "EURUSD" not in refused.detail
    assert isinstance(floor.cancel(held) if rests else floor.close(held), Done)
    assert isinstance(floor.configure(group="narrow"), Done)


@pytest.mark.parametrize(
    ("mode", "used"), [("larger_leg", "550.15"), ("sum", "880.12"), ("net", "220.06"), ("mt5_hedged", "550.11")]
)
def test_the_new_groups_hedging_mode_measures_anew(floor: Floor, mode: str, used: str) -> None:
    """550.15 long on 0.5 lots, 329.97 short on 0.3: 0.2 uncovered take 220.06, 0.3 covered at the mean 330.05 (mt5)."""
    make_group("pro", {"EURUSD": {}}, hedging_mode=mode)
    floor.open("0.5")
    floor.open("0.3", "SELL")
    before = floor.state().portfolio
    floor.configure(group="pro")
    after = floor.state().portfolio
    assert after == replace(before, version=before.version + 1, used_margin=D(used))
    floor.record()
    assert floor.differences() == []


def test_prices_follow_the_group_and_commission_the_opening(floor: Floor) -> None:
    dear = {"commission_kind": "per_lot", "commission_rate": 7, "commission_timing": "both"}
    make_group("pro", {"EURUSD": {"spread_points": D(4), **dear}})
    order_id = id_of(floor.open("0.5"))
    floor.configure(group="pro")
    floor.close(order_id)
    order = floor.order(order_id)
    assert (order.close_price, order.profit, order.commission) == (D("1.0998"), D("-25"), 0)


def test_levels_move_to_the_new_groups_indexes(watch: Watch) -> None:
    """Both orders wait for their levels by the new group's markup: half of four points instead of two."""
    floor, ledger = watch.floor, watch.floor.book.ledger
    make_group("pro", {"EURUSD": {"spread_points": D(4)}})
    order_id = id_of(floor.open("0.5", stop_loss=D("1.0950")))
    resting = id_of(floor.place("1.0900", stop_loss=D("1.0800")))
    floor.configure(group="pro")
    account = floor.ref(LIVE)
    assert ledger.zscore("sl_index:EURUSD:pro:BUY", f"{account}|{order_id}|1") == 1.095
    assert ledger.zscore("pending_index:EURUSD:pro:BUY_LIMIT", f"{account}|{resting}|1") == 1.09
    watch.tick("1.0953", "1.0955")
    assert floor.order(order_id).status == "OPEN"
    watch.tick("1.0952", "1.0954")
    assert (floor.order(order_id).reason, floor.order(order_id).close_price) == ("stop_loss", D("1.0950"))
    watch.tick("1.0896", "1.0899")  # the old group's ask would be there, the new one's is at 1.0901
    assert floor.order(resting).status == "PENDING"
    assert ledger.exists("pending_index:EURUSD:retail:BUY_LIMIT") == 0  # looked at, and left to the new group
    watch.tick("1.0895", "1.0898")
    assert (floor.order(resting).status, floor.order(resting).open_price) == ("OPEN", D("1.0900"))
    floor.record()
    assert floor.differences() == []


def test_routing_binds_new_orders_only(floor: Floor) -> None:
    order_id = id_of(floor.open("0.5"))
    floor.configure(sending_orders="barclays")
    with nothing_done(floor.book):
        assert reason_of(floor.open("0.5")) == "provider_unavailable"
    assert isinstance(floor.close(order_id), Done)


def test_repeats_do_nothing(floor: Floor) -> None:
    first = floor.configure(leverage=200, key="again")
    floor.configure(leverage=300)
    with nothing_done(floor.book):
        again = floor.configure(leverage=200, key="again")
        assert (again.replayed, again.answer) == (True, first.answer)
        assert reason_of(floor.configure(leverage=400, key="again")) == "idempotency_mismatch"
    assert floor.state().config.leverage == 300


def test_a_group_that_lost_its_terms_is_told_of(make_floor: Callable[..., Floor]) -> None:
    """Nothing is traded on guessed terms; what needs none is done."""
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}})
    floor.quote("1.3000", "1.3002", "GBPUSD")
    resting = id_of(floor.place("1.2000", symbol="GBPUSD", stop_loss=D("1.1900")))
    GroupInstrument.objects.filter(instrument="GBPUSD").delete()
    catalogue.forget()
    with nothing_done(floor.book):
        for refused in (
            floor.modify(resting, lots=D("0.1")),
            floor.stop(resting, "1.1800"),
            floor.fire(resting, "price", floor.quote("1.1900", "1.1902", "GBPUSD")),
        ):
            assert reason_of(refused) == "missing_group_data"
            assert "GBPUSD" in refused.detail
    assert isinstance(floor.open("0.1"), Done)
    assert isinstance(floor.stop(resting, None), Done)
    assert isinstance(floor.cancel(resting), Done)
