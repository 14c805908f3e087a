"""Stop loss and take profit set, replaced and cancelled, on open and on resting orders."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from copytrading.kernel.ids import KINDS, LIVE
from orders.messages import Done
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.sessions import close_market, open_market

Setter = Callable[..., Any]


def setter(floor: Floor, kind: str) -> Setter:
    return floor.stop if kind == "stop_loss" else floor.take


@pytest.mark.parametrize("account", KINDS)
@pytest.mark.parametrize(
    ("kind", "first", "second"), [("stop_loss", "1.0950", "1.0960"), ("take_profit", "1.1050", "1.1060")]
)
def test_set_replace_and_cancel(floor: Floor, account: str, kind: str, first: str, second: str) -> None:
    order_id = id_of(floor.open(account=account))
    before = floor.order(order_id)
    portfolio = floor.state(account).portfolio
    setting = "stop" if kind == "stop_loss" else "take"
    index = f"{'sl' if kind == 'stop_loss' else 'tp'}_index:EURUSD:retail:BUY"
    for number, wanted in enumerate((first, second, None), start=1):
        done = setter(floor, kind)(order_id, wanted)
        assert done.answer["order"][kind] == (wanted and str(D(wanted)).rstrip("0"))
        after = floor.order(order_id)
        since = getattr(after, f"{setting}_since_ms")
        assert since >= before.opened_at_ms
        expected = {kind: wanted and D(wanted), f"{setting}_version": number, f"{setting}_since_ms": since}
        assert after == replace(before, **expected, version=before.version + number)
        if wanted:
            assert floor.book.ledger.zscore(index, f"{before.account}|{order_id}|{number}") == float(wanted)
    assert floor.state(account).portfolio == replace(portfolio, version=portfolio.version + 3)
    with nothing_done(floor.book):
        assert reason_of(setter(floor, kind)(order_id, None)) == "stop_not_set"
    floor.record()
    assert floor.differences() == []


@pytest.mark.parametrize(
    ("order_type", "kind", "refused", "taken", "reference"),
    [
        ("BUY", "stop_loss", ("1.0999", "1.1003"), "1.09989", "1.0999"),
        ("BUY", "take_profit", ("1.0999", "1.0950"), "1.09991", "1.0999"),
        ("SELL", "stop_loss", ("1.1003", "1.0999"), "1.10031", "1.1003"),
        ("SELL", "take_profit", ("1.1003", "1.1050"), "1.10029", "1.1003"),
    ],
)
def test_a_level_lies_beyond_the_closing_price(
    floor: Floor, order_type: str, kind: str, refused: tuple[str, str], taken: str, reference: str
) -> None:
    order_id = id_of(floor.open(order_type=order_type))
    with nothing_done(floor.book):
        for level in refused:
            outcome = setter(floor, kind)(order_id, level)
            assert reason_of(outcome) == f"invalid_{kind}"
            assert outcome.facts == {"reference": reference, "distance": "0"}
    assert isinstance(setter(floor, kind)(order_id, taken), Done)


def test_to_break_even_and_into_profit(floor: Floor) -> None:
    bought, sold = id_of(floor.open()), id_of(floor.open("0.3", "SELL"))  # at 1.1003 and 1.0999
    floor.quote("1.1050", "1.1052")
    for level in ("1.1003", "1.1040"):
        assert isinstance(floor.stop(bought, level), Done)
    with nothing_done(floor.book):
        assert reason_of(floor.stop(bought, "1.1049")) == "invalid_stop_loss"
    floor.quote("1.0950", "1.0952")
    for level in ("1.0999", "1.0960"):
        assert isinstance(floor.stop(sold, level), Done)
    with nothing_done(floor.book):
        assert reason_of(floor.stop(sold, "1.0953")) == "invalid_stop_loss"


def test_stops_level_keeps_them_away(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor({"EURUSD": {"stops_level": D(10)}})
    order_id = id_of(floor.open())
    with nothing_done(floor.book):
        refused = floor.stop(order_id, "1.09891")
        assert reason_of(refused) == "invalid_stop_loss"
        assert refused.facts == {"reference": "1.0999", "distance": "0.001"}
        assert reason_of(floor.take(order_id, "1.10089")) == "invalid_take_profit"
    assert isinstance(floor.stop(order_id, "1.0989"), Done)
    assert isinstance(floor.take(order_id, "1.1009"), Done)


def test_off_the_tick(floor: Floor) -> None:
    order_id = id_of(floor.open())
    with nothing_done(floor.book):
        for kind in ("stop_loss", "take_profit"):
            refused = setter(floor, kind)(order_id, "1.095001")
            assert (reason_of(refused), list(refused.fields)) == ("invalid_fields", [kind])


def test_on_a_resting_order_its_own_price_counts(floor: Floor) -> None:
    order_id = id_of(floor.place("1.0980"))
    with nothing_done(floor.book):
        assert reason_of(floor.stop(order_id, "1.0980")) == "invalid_stop_loss"
        assert reason_of(floor.take(order_id, "1.0980")) == "invalid_take_profit"
    assert isinstance(floor.stop(order_id, "1.0979"), Done)
    assert isinstance(floor.take(order_id, "1.0981"), Done)  # below the market of now
    order = floor.order(order_id)
    assert (order.status, order.price_version) == ("PENDING", 1)
    assert (order.stop_loss, order.take_profit) == (D("1.0979"), D("1.0981"))
    assert floor.book.ledger.exists("sl_index:EURUSD:retail:BUY", "tp_index:EURUSD:retail:BUY") == 0  # nothing is open
    assert isinstance(floor.stop(order_id, None), Done)
    assert (floor.order(order_id).stop_loss, floor.order(order_id).take_profit) == (None, D("1.0981"))


def test_only_what_lives_is_protected(floor: Floor) -> None:
    closed, cancelled = id_of(floor.open()), id_of(floor.place("1.0980"))
    floor.close(closed)
    floor.cancel(cancelled)
    with nothing_done(floor.book):
        for order_id in (closed, cancelled):
            assert reason_of(floor.stop(order_id, "1.0950")) == "order_not_open"
            assert reason_of(floor.take(order_id, None)) == "order_not_open"
        assert reason_of(floor.stop(f"ord_l{floor.ref(LIVE).id}_0000000000000", "1.0950")) == "order_not_found"


def test_a_closed_market_lets_stops_be_taken_away_only(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(ignore_hours=False)
    open_market()
    opened = id_of(floor.open(stop_loss=D("1.0950"), take_profit=D("1.1050")))
    resting = id_of(floor.place("1.0980", stop_loss=D("1.0950"), take_profit=D("1.1050")))
    close_market()
    for order_id in (opened, resting):
        with nothing_done(floor.book):
            assert reason_of(floor.stop(order_id, "1.0960")) == "market_closed"
            assert reason_of(floor.take(order_id, "1.1060")) == "market_closed"
        assert isinstance(floor.stop(order_id, None), Done)
        assert isinstance(floor.take(order_id, None), Done)
        assert (floor.order(order_id).stop_loss, floor.order(order_id).take_profit) == (None, None)


def test_without_a_price_stops_are_taken_away_only(floor: Floor) -> None:
    order_id = id_of(floor.open(stop_loss=D("1.0950")))
    floor.book.market.hincrby("market:EURUSD", "stamp", -60_000)
    with nothing_done(floor.book):
        assert reason_of(floor.stop(order_id, "1.0960")) == "stale_price"
    floor.book.market.delete("market:EURUSD")
    with nothing_done(floor.book):
        assert reason_of(floor.stop(order_id, "1.0960")) == "no_price"
    assert isinstance(floor.stop(order_id, None), Done)


def test_status_binds_the_owner(floor: Floor) -> None:
    order_id = id_of(floor.open())
    floor.configure(status="close_only")
    assert isinstance(floor.stop(order_id, "1.0950"), Done)
    for status in ("read_only", "disabled"):
        floor.configure(status=status)
        with nothing_done(floor.book):
            assert reason_of(floor.stop(order_id, "1.0960")) == f"account_{status}"
            assert reason_of(floor.stop(order_id, None)) == f"account_{status}"
        assert isinstance(floor.stop(order_id, "1.0960", staff=True), Done)


def test_levels_stay_through_a_partial_close(floor: Floor) -> None:
    order_id = id_of(floor.open(stop_loss=D("1.0950"), take_profit=D("1.1050")))
    floor.close(order_id, "0.2")
    order = floor.order(order_id)
    assert (order.open_lots, order.stop_loss, order.stop_version, order.take_profit, order.take_version) == (
        D("0.3"), D("1.0950"), 1, D("1.1050"), 1,
    )  # fmt: skip


def test_repeats_do_nothing(floor: Floor) -> None:
    order_id = id_of(floor.open())
    first = floor.stop(order_id, "1.0950", key="set")
    with nothing_done(floor.book):
        again = floor.stop(order_id, "1.0950", key="set")
        assert (again.replayed, again.answer) == (True, first.answer)
        assert reason_of(floor.stop(order_id, "1.0960", key="set")) == "idempotency_mismatch"
        assert reason_of(floor.take(order_id, "1.0950", key="set")) == "idempotency_mismatch"
    assert floor.order(order_id).stop_version == 1
