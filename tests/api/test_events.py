"""The journal of an order as its owner and as staff see it."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import ApiKey, GroupInstrument, User
from copytrading.kernel.ids import COPY_FOLLOWER, LIVE, OrderId
from orders.book import quotes
from orders.book.terms import renew
from orders.messages import Done, Fire
from orders.verbs import carry_out
from tests.api.asking import Row, record_all, record_some, refs, refused, rows
from tests.fixtures.desk import CANCEL, CLOSE, CLOSE_ALL, EXECUTE, MODIFY, STOP_LOSS_ADD, TAKE_PROFIT_ADD, Desk, issue


@pytest.fixture
def charged(desk: Desk) -> Desk:
    """Three dollars a lot, at the entry and at the exit."""
    GroupInstrument.objects.update(commission_kind="per_lot", commission_rate=Decimal(3), commission_timing="both")
    renew()
    return desk


def events_of(desk: Desk, order_id: str, by: str = "trader") -> list[Row]:
    return rows(desk, f"/api/orders/{order_id}/events", by)


def user(username: str) -> str:
    return f"user:{User.objects.get(username=username).pk}"


def key(owner: str, scopes: list[str]) -> str:
    return f"key:{ApiKey.objects.get(user__username=owner, scopes=scopes).pk}"


def test_each_change_is_told_with_the_order_as_it_was_its_deals_and_its_money(charged: Desk) -> None:
    desk = charged
    body = {**desk.at(LIVE), "symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5", "stop_loss": "1.0950"}
    told = [desk.post(EXECUTE, body, by="dealer", **{"Idempotency-Key": "one"}).json()["order"]]
    named = {**desk.at(LIVE), "order_id": told[0]["order_id"]}
    for path, more in (
        (TAKE_PROFIT_ADD, {"take_profit": "1.2"}),
        (CLOSE, {"order_quantity": "0.2"}),
        (CLOSE, {}),
    ):
        told.append(desk.post(path, {**named, **more}).json()["order"])
    account, house = f"live:{named['user_id']}", "house:{}:USD"

    found = events_of(desk, named["order_id"])

    assert [event["order"] for event in found] == told
    assert [event["event"] for event in found] == ["open", "protect", "close", "close"]
    assert [event["version"] for event in found] == [order["version"] for order in told] == [3, 4, 5, 6]
    assert [[(d["entry"], d["side"], d["quantity"], d["price"]) for d in event["deals"]] for event in found] == [
        [("in", "BUY", "0.5", "1.1003")],
        [],
        [("out", "SELL", "0.2", "1.0999")],
        [("out", "SELL", "0.3", "1.0999")],
    ]
    assert [[(d["profit"], d["commission"], d["swap"]) for d in event["deals"]] for event in found] == [
        [("0", "-1.5", "0")],
        [],
        [("-8", "-0.6", "0")],
        [("-12", "-0.9", "0")],
    ]
    assert [[(t["kind"], t["amount"], t["debit"], t["credit"]) for t in event["transfers"]] for event in found] == [
        [("commission", "1.5", account, house.format("commission"))],
        [],
        [("profit", "8", account, house.format("trading")), ("commission", "0.6", account, house.format("commission"))],
        [
            ("profit", "12", account, house.format("trading")),
            ("commission", "0.9", account, house.format("commission")),
        ],
    ]
    deals = [deal for event in found for deal in event["deals"]]
    assert list(reversed(deals)) == rows(desk, "/api/deals")
    assert len({event["command_id"] for event in found}) == 4


def test_the_owner_learns_that_staff_acted_and_staff_who_and_why(desk: Desk, subtests: Any) -> None:
    desk.tokens["key of support"] = issue("support", ["read"])[1]
    order = desk.buy(by="dealer", sending_orders="rock")
    named = {**desk.at(LIVE), "order_id": order}
    desk.post(STOP_LOSS_ADD, {**named, "stop_loss": "1.0950"})
    desk.post(STOP_LOSS_ADD, {**named, "stop_loss": "1.0951"}, by="trading key")
    desk.post(STOP_LOSS_ADD, {**named, "stop_loss": "1.0952"}, by="dealing key")
    desk.quote("1.0949", "1.0951")
    quote = quotes.read(desk.book.market, ["EURUSD"]).quotes["EURUSD"]
    fired = Fire(
        account=desk.accounts[LIVE].ref, principal="system:pending_monitor", key="1", staff=True,
        order_id=OrderId(order), kind="stop_loss", level_version=3, quote=quote,
    )  # fmt: skip
    assert isinstance(carry_out(fired), Done)

    dealer, trader, fired_by = user("dealer"), user("trader"), "system:pending_monitor"
    trading_key, dealing_key = (key("trader", ["read", "trade"]), key("dealer", ["dealer", "read", "trade"]))
    everything = [dealer, trader, trading_key, dealing_key, fired_by]
    notes = ["sending_orders=rock", "", "", "", ""]
    for by, who, why in (
        ("dealer", everything, notes),
        ("support", everything, notes),
        ("administrator", everything, notes),
        ("dealing key", everything, notes),
        ("key of support", everything, notes),
        ("trader", ["user", trader, "key", "key", fired_by], [""] * 5),
        ("trading key", ["user", trader, trading_key, "key", fired_by], [""] * 5),
        ("reading key", ["user", trader, "key", "key", fired_by], [""] * 5),
    ):
        with subtests.test(by=by):
            found = events_of(desk, order, by)
            assert [event["by"] for event in found] == who
            assert [event["note"] for event in found] == why
            assert [event["event"] for event in found] == ["open", "protect", "protect", "protect", "fire"]


def test_raw_prices_are_for_staff(desk: Desk) -> None:
    """The owner's own price is in the deal; the markup on it is not his to read."""
    order = desk.buy()
    for by in ("trader", "trading key"):
        (event,) = events_of(desk, order, by)
        assert event["quotes"] == []
        assert "1.1002" not in str(event)
    for by in ("support", "dealer"):
        (event,) = events_of(desk, order, by)
        (quote,) = event["quotes"]
        assert (quote["symbol"], quote["bid"], quote["ask"]) == ("EURUSD", "1.1", "1.1002")
        assert quote["at"] < event["at"]


def test_only_what_concerns_the_order_is_told(desk: Desk) -> None:
    """Other orders, money, and a close-all that names it in its list change the same account."""
    first, second = desk.buy(), desk.buy()
    resting = desk.rest()
    desk.post(MODIFY, {**desk.at(LIVE), "order_id": resting, "order_price": "1.0970"})
    desk.post(f"/api/accounts/live/{desk.accounts[LIVE].pk}/transfers",
              {"kind": "deposit", "amount": "1", "reason": first}, by="dealer")  # fmt: skip
    desk.post(CLOSE_ALL, desk.at(LIVE))
    desk.post(CANCEL, {**desk.at(LIVE), "order_id": resting})

    assert [event["event"] for event in events_of(desk, first)] == ["open", "close"]
    assert [event["event"] for event in events_of(desk, second)] == ["open", "close"]
    assert [event["event"] for event in events_of(desk, resting)] == ["place", "modify", "cancel"]
    assert {event["order"]["order_id"] for event in events_of(desk, first)} == {first}


def test_they_are_the_same_however_far_the_recorder_is(desk: Desk) -> None:
    order = desk.buy(stop_loss="1.0950")
    for lots in ("0.1", "0.2", None):
        quantity = {"order_quantity": lots} if lots else {}
        desk.post(CLOSE, {**desk.at(LIVE), "order_id": order, **quantity})
    seen = {by: events_of(desk, order, by) for by in ("trader", "dealer")}
    assert len(seen["trader"]) == 4
    for _ in range(6):
        record_some(refs(desk), 1)
        assert {by: events_of(desk, order, by) for by in seen} == seen
    record_all(refs(desk))
    assert {by: events_of(desk, order, by) for by in seen} == seen


def test_events_of_what_is_not_there_or_hidden_are_not_found(desk: Desk, subtests: Any) -> None:
    order = desk.buy(COPY_FOLLOWER, by="dealer")
    assert len(events_of(desk, order)) == 1
    letter = order.replace("ord_c", "ord_l")
    for path in ("x", "%00", letter, "ord_l1_0000000000000", "o" * 4000):
        with subtests.test(path=path[:30]):
            assert refused(desk.get(f"/api/orders/{path}/events")) == (404, "order_not_found")
    hidden, absent = (desk.get(f"/api/orders/{each}/events", by="stranger") for each in (order, letter))
    assert hidden.content == absent.content
