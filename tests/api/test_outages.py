"""What the API says when something breaks under it: nothing done, perhaps done, or our own fault; never HTML."""

from django.test import Client

from copytrading.kernel.ids import LIVE
from orders.book import keys
from orders.book.account import load
from orders.recorder import record
from tests.api.away import postgresql_away
from tests.fixtures.cutter import Cutter
from tests.fixtures.desk import CLOSE, EXECUTE, Desk

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5"}


def test_a_lost_reply_is_told_as_unknown_and_the_same_key_tells_what_became_of_it(desk: Desk, cutter: Cutter) -> None:
    body = {**desk.at(LIVE), **BUY}
    cutter.cutting = True
    lost = desk.post(EXECUTE, body)
    cutter.cutting = False

    assert cutter.cut == 1
    assert lost.status_code == 503
    problem = lost.json()
    assert {name: problem[name] for name in ("ok", "reason", "outcome")} == {
        "ok": False,
        "reason": "outcome_unknown",
        "outcome": "unknown",
    }
    assert len(problem["command_id"]) == 26
    assert lost["Retry-After"] == "1"

    again = desk.post(EXECUTE, body, **{"Idempotency-Key": problem["idempotency_key"]})

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    orders = load(desk.accounts[LIVE].ref, all_orders=True).orders
    assert list(orders) == [again.json()["order"]["order_id"]]


def test_an_order_the_book_has_let_go_is_shown_from_the_record_as_it_was(desk: Desk) -> None:
    order = desk.buy(stop_loss="1.0950")
    closed = desk.post(CLOSE, {**desk.at(LIVE), "order_id": order}).json()["order"]
    record([desk.accounts[LIVE].ref])
    assert desk.book.ledger.delete(keys.holding(desk.accounts[LIVE].ref, order)) == 1

    answer = desk.get(f"/api/orders/{order}")

    assert answer.status_code == 200
    assert answer.json()["order"] == closed
    with postgresql_away():
        away = desk.get(f"/api/orders/{order}")
        assert (away.status_code, away.json()["reason"]) == (503, "record_unavailable")


def test_an_order_is_shown_by_the_book_while_postgresql_is_away(desk: Desk) -> None:
    order = desk.buy()

    with postgresql_away():
        assert desk.get(f"/api/orders/{order}").status_code == 200
        assert desk.get(f"/api/accounts/live/{desk.accounts[LIVE].pk}").status_code == 200


def test_a_fault_of_ours_is_a_500_in_json_that_tells_nothing_of_it(desk: Desk) -> None:
    desk.book.ledger.hset(keys.portfolio(desk.accounts[LIVE].ref), "balance", "no-number-at-all")
    desk.client = Client(raise_request_exception=False)

    for answer in (
        desk.post(EXECUTE, {**desk.at(LIVE), **BUY}),
        desk.get(f"/api/accounts/live/{desk.accounts[LIVE].pk}"),
    ):
        assert answer.status_code == 500
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["reason"] == "internal_error"
        assert b"no-number-at-all" not in answer.content
