"""A group that keeps hours, outside the sessions of its instruments."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest

from copytrading.kernel.ids import KINDS, LIVE
from orders.messages import Done
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.sessions import close_market, open_market
from tests.fixtures.watch import Watch


@pytest.fixture
def keeps_hours(make_floor: Callable[..., Floor]) -> Floor:
    """The market of EURUSD is open for now."""
    floor = make_floor(ignore_hours=False)
    open_market()
    return floor


def age(floor: Floor) -> None:
    """An hour passes without a tick."""
    floor.book.market.hincrby("market:EURUSD", "stamp", -3_600_000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_market_refuses_whatever_needs_a_price(keeps_hours: Floor, kind: str) -> None:
    floor = keeps_hours
    order_id, resting = id_of(floor.open("0.5", account=kind)), id_of(floor.place("1.0980", account=kind))
    close_market()
    with nothing_done(floor.book):
        for outcome in (
            floor.open("0.5", account=kind),
            floor.open("0.5", "SELL", account=kind, staff=True),
            floor.close(order_id),
            floor.close(order_id, "0.1", staff=True),
            floor.place("1.0980", account=kind),
            floor.modify(resting, order_price=D("1.0970")),
            floor.stop(order_id, "1.0950"),
        ):
            assert reason_of(outcome) == "market_closed"
    assert isinstance(floor.cancel(resting), Done)
    open_market()
    assert isinstance(floor.close(order_id), Done)


def test_close_all_leaves_what_is_closed(keeps_hours: Floor) -> None:
    order_id = id_of(keeps_hours.open("0.5"))
    close_market()
    (result,) = keeps_hours.close_all().answer["results"]
    assert (result["ok"], result["order_id"], result["reason"]) == (False, order_id, "market_closed")
    assert keeps_hours.order(order_id).status == "OPEN"


def test_a_group_that_ignores_hours_trades_at_any(floor: Floor) -> None:
    close_market()
    order_id = id_of(floor.open("0.5"))
    assert isinstance(floor.close(order_id), Done)
    assert isinstance(floor.place("1.0980"), Done)


def test_the_last_quote_of_the_session_values_what_is_held(keeps_hours: Floor) -> None:
    """Its age does not count while the market is closed; as soon as it opens, it does."""
    floor = keeps_hours
    floor.open("0.5")
    close_market()
    age(floor)
    with nothing_done(floor.book):
        assert floor.money("withdrawal", "9429.86").facts["available"] == "9429.85"
    assert isinstance(floor.money("withdrawal", "9000"), Done)
    open_market()
    with nothing_done(floor.book):
        assert reason_of(floor.money("withdrawal", "1")) == "stale_price"
        assert reason_of(floor.open("0.1")) == "stale_price"
        assert reason_of(floor.close(next(iter(floor.state().orders)))) == "stale_price"


def test_other_markets_trade_on_beside_a_closed_one(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor({"EURUSD": {}, "GBPUSD": {}}, ignore_hours=False)
    for symbol in ("EURUSD", "GBPUSD"):
        open_market(symbol)
    floor.open("0.5")
    close_market("EURUSD")
    age(floor)
    floor.quote("1.3000", "1.3002", "GBPUSD")
    assert isinstance(floor.open("0.1", symbol="GBPUSD"), Done)


def test_triggers_act_on_the_first_quote_of_the_session(keeps_hours: Floor, watch_on: Callable[..., Watch]) -> None:
    """What is told while the market is closed touches nothing; the opening gap fills at its own price."""
    floor = keeps_hours
    order_id = id_of(floor.open("0.5", stop_loss=D("1.0950"), take_profit=D("1.1050")))
    resting = id_of(floor.place("1.0980"))
    watch = watch_on(floor)
    close_market()
    with nothing_done(floor.book):
        watch.tick("1.0940", "1.0942")
        watch.tick("1.1100", "1.1102")
    open_market()
    watch.tick("1.0900", "1.0902")
    order, filled = floor.order(order_id), floor.order(resting)
    assert (order.status, order.reason, order.close_price) == ("CLOSED", "stop_loss", D("1.0899"))
    assert (filled.status, filled.open_price) == ("OPEN", D("1.0903"))
    assert floor.state(LIVE).portfolio.balance == D("9480.00")
