"""Market open, close, part-close and close-all on all four kinds of account, by the house formulas."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest

from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import KINDS
from copytrading.kernel.rejections import Rejection
from orders.messages import CloseOrder, Done
from orders.verbs import close as closing
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.sessions import open_market


@pytest.mark.parametrize("kind", KINDS)
def test_open_and_close_on_every_kind(make_floor: Callable[..., Floor], kind: str) -> None:
    floor = make_floor({"EURUSD": {"commission_kind": "per_lot", "commission_rate": 7, "commission_timing": "both"}})
    bought = id_of(floor.open("0.5", account=kind))
    order, state = floor.order(bought), floor.state(kind)
    assert (order.status, order.open_price, order.margin) == ("OPEN", D("1.1003"), D("550.15"))
    assert order.commission == D("-3.5")
    assert (state.portfolio.balance, state.portfolio.used_margin) == (D("9996.50"), D("550.15"))
    floor.quote("1.1050", "1.1052")
    closed = floor.close(bought)
    assert isinstance(closed, Done)
    order, state = floor.order(bought), floor.state(kind)
    assert (order.status, order.close_price, order.profit) == ("CLOSED", D("1.1049"), D("230"))
    assert order.commission == D("-7")
    assert (state.portfolio.balance, state.portfolio.used_margin) == (D("10223.00"), 0)
    assert state.portfolio.exposures == {}
    assert state.orders == {}


def test_two_legs_use_the_larger(floor: Floor) -> None:
    floor.open("0.5")
    sold = id_of(floor.open("0.3", "SELL"))
    assert floor.order(sold).open_price == D("1.0999")
    assert floor.order(sold).margin == D("329.97")
    assert floor.state().portfolio.used_margin == D("550.15")


def test_part_close_keeps_its_share(floor: Floor) -> None:
    order_id = id_of(floor.open("0.5"))
    floor.quote("1.1050", "1.1052")
    assert isinstance(floor.close(order_id, "0.2"), Done)
    order, portfolio = floor.order(order_id), floor.state().portfolio
    assert (order.status, order.open_lots, order.profit) == ("OPEN", D("0.3"), D("92"))
    assert portfolio.used_margin == D("330.09")
    assert portfolio.balance == D("10092")
    assert isinstance(floor.close(order_id), Done)
    assert floor.state().portfolio.balance == D("10230")
    assert floor.state().portfolio.used_margin == 0


def test_close_all_gives_one_result_an_order(floor: Floor) -> None:
    ids = sorted(id_of(floor.open("0.1")) for _ in range(3))
    done = floor.close_all()
    assert isinstance(done, Done)
    assert [(r["order_id"], r["ok"]) for r in done.answer["results"]] == [(i, True) for i in ids]
    assert floor.state().orders == {}


def test_refusals_change_nothing(floor: Floor) -> None:
    before = floor.state().portfolio
    assert reason_of(floor.open("0.5", symbol="GBPUSD")) == "unknown_symbol"
    assert reason_of(floor.open("0.005")) == "invalid_order_quantity"
    assert reason_of(floor.open("200")) == "invalid_order_quantity"
    assert reason_of(floor.open("10")) == "insufficient_margin"
    assert reason_of(floor.open("0.5", stop_loss=D("1.2"))) == "invalid_stop_loss"
    assert reason_of(floor.open("0.5", take_profit=D("1.0"))) == "invalid_take_profit"
    assert reason_of(floor.open("0.5", order_price=D("1.0990"), max_deviation_points=D(5))) == "price_moved"
    assert reason_of(floor.open("0.5", sending_orders="barclays")) == "routing_not_permitted"
    assert reason_of(floor.open("0.5", sending_orders="barclays", staff=True)) == "provider_unavailable"
    unknown = f"ord_l{floor.ref('live').id}_0000000000000"
    assert reason_of(floor.close(unknown)) == "order_not_found"
    assert floor.state().portfolio == before


def test_insufficient_margin_gives_the_figures(floor: Floor) -> None:
    refused = floor.open("10")
    assert refused.facts == {"required": "11403", "available": "10000"}


def test_account_status_binds_the_owner_only(floor: Floor) -> None:
    order_id = id_of(floor.open("0.5"))
    for status, opens, closes in (
        ("close_only", "account_close_only", None),
        ("read_only", "account_read_only", "account_read_only"),
        ("disabled", "account_disabled", "account_disabled"),
    ):
        assert isinstance(floor.configure(status=status), Done)
        assert reason_of(floor.open("0.1")) == opens
        assert isinstance(floor.open("0.1", staff=True), Done)
        if closes:
            assert reason_of(floor.close(order_id, "0.1")) == closes
        assert isinstance(floor.close(order_id, "0.1", staff=True), Done)


def test_same_key_gives_the_stored_answer(floor: Floor) -> None:
    first = floor.open("0.5", key="same")
    again = floor.open("0.5", key="same")
    assert again.replayed
    assert again.answer == first.answer
    assert reason_of(floor.open("0.6", key="same")) == "idempotency_mismatch"
    assert len(floor.state().orders) == 1


def test_prices_that_are_missing_old_or_crossed(floor: Floor) -> None:
    floor.quote("1.1002", "1.1000")
    assert reason_of(floor.open("0.5")) == "no_price"
    floor.quote()
    floor.book.market.hincrby("market:EURUSD", "stamp", -60_000)
    assert reason_of(floor.open("0.5")) == "stale_price"
    floor.book.market.delete("market:EURUSD")
    assert reason_of(floor.open("0.5")) == "no_price"


def test_record_and_audit_after_trading(floor: Floor) -> None:
    for kind in KINDS:
        order_id = id_of(floor.open("0.5", account=kind, stop_loss=D("1.0950")))
        floor.open("0.2", "SELL", account=kind)
        floor.place("1.0980", account=kind)
        floor.close(order_id, "0.2")
    assert floor.differences() == []
    floor.record()
    assert floor.differences() == []


def test_a_close_asks_only_for_the_rates_it_uses(make_floor: Callable[..., Floor]) -> None:
    """EURGBP in a USD account: profit is converted by GBPUSD. EURUSD, which its margin needed, may be old by now."""
    floor = make_floor({symbol: {} for symbol in ("EURUSD", "EURGBP", "GBPUSD")})
    open_market("EURUSD")
    open_market("GBPUSD")
    floor.quote("0.8500", "0.8502", "EURGBP")
    floor.quote("1.3000", "1.3002", "GBPUSD")
    order_id = id_of(floor.open("0.1", symbol="EURGBP"))
    floor.book.market.hincrby("market:EURUSD", "stamp", -60_000)
    assert isinstance(floor.stop(order_id, "0.8400"), Done)
    assert isinstance(floor.close(order_id), Done)
    assert reason_of(floor.open("0.1", symbol="EURGBP")) == "conversion_rate_unavailable"


def test_close_all_tells_of_each_order_if_the_ledger_goes(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is closed, then the ledger is gone: the answer must not say that nothing was done."""
    ids = sorted(id_of(floor.open("0.1")) for _ in range(2))
    really = closing.close

    def then_gone(command: CloseOrder) -> Done | Rejection:
        if command.order_id == ids[1]:
            raise LedgerUnavailable("gone")
        return really(command)

    monkeypatch.setattr(closing, "close", then_gone)
    first = floor.close_all(key="all")
    assert [(r["order_id"], r["ok"], r.get("reason")) for r in first.answer["results"]] == [
        (ids[0], True, None),
        (ids[1], False, "ledger_unavailable"),
    ]
    monkeypatch.undo()
    again = floor.close_all(key="all")
    assert [r["ok"] for r in again.answer["results"]] == [True, True]
    assert floor.state().portfolio.exposures == {}
