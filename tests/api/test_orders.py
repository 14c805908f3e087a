"""Every path that trades, on every kind of account: what it answers and what is then in the book."""

from typing import Any

import pytest

from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE, STRATEGY_PROVIDER
from orders.book.account import load
from orders.book.terms import renew
from tests.accounts import rows
from tests.fixtures.desk import (
    CANCEL,
    CLOSE,
    CLOSE_ALL,
    EXECUTE,
    MODIFY,
    PLACE,
    STOP_LOSS_ADD,
    STOP_LOSS_CANCEL,
    TAKE_PROFIT_ADD,
    TAKE_PROFIT_CANCEL,
    TRADED_BY_OWNER,
    Desk,
)

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5"}


@pytest.mark.parametrize("kind", TRADED_BY_OWNER)
def test_an_owner_opens_protects_closes_in_part_and_closes(desk: Desk, kind: str) -> None:
    opened = desk.post(EXECUTE, {**desk.at(kind), **BUY, "stop_loss": "1.0950"})

    assert opened.status_code == 201
    order = opened.json()["order"]
    assert opened.json()["ok"] is True
    assert {
        name: order[name] for name in ("order_status", "open_price", "initial_margin", "stop_loss", "flow", "user_type")
    } == {
        "order_status": "OPEN",
        "open_price": "1.1003",
        "initial_margin": "550.15",
        "stop_loss": "1.095",
        "flow": "local",
        "user_type": kind,
    }

    named = {**desk.at(kind), "order_id": order["order_id"]}
    steps: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        (STOP_LOSS_ADD, {"stop_loss": "1.0960"}, {"stop_loss": "1.096"}),
        (STOP_LOSS_CANCEL, {}, {"stop_loss": None}),
        (TAKE_PROFIT_ADD, {"take_profit": 1.12}, {"take_profit": "1.12"}),
        (TAKE_PROFIT_CANCEL, {}, {"take_profit": None}),
        (CLOSE, {"order_quantity": 0.2}, {"open_quantity": "0.3", "order_status": "OPEN"}),
        (CLOSE, {}, {"open_quantity": "0", "order_status": "CLOSED", "close_price": "1.0999"}),
    ]
    for path, more, expected in steps:
        answer = desk.post(path, named | more)
        assert answer.status_code == 200, answer.json()
        assert {name: answer.json()["order"][name] for name in expected} == expected

    # Bought at 1.1003 and sold at 1.0999: 0.5 lots lose 20.00.
    assert str(load(desk.accounts[kind].ref).portfolio.balance) == "9980"


def test_a_pending_order_is_placed_modified_and_cancelled(desk: Desk) -> None:
    placed = desk.post(
        PLACE,
        {
            **desk.at(LIVE),
            "symbol": "EURUSD",
            "order_type": "BUY_LIMIT",
            "order_quantity": "0.5",
            "order_price": "1.0980",
            "expires_at": "2099-01-31T12:00:00Z",
        },
    )
    assert placed.status_code == 201
    order = placed.json()["order"]
    assert (order["order_status"], order["expires_at"]) == ("PENDING", "2099-01-31T12:00:00.000Z")

    named = {**desk.at(LIVE), "order_id": order["order_id"]}
    modified = desk.post(MODIFY, {**named, "order_price": "1.0970", "order_quantity": "0.6", "expires_at": None})
    assert modified.status_code == 200
    after = modified.json()["order"]
    assert (after["order_price"], after["order_quantity"], after["expires_at"]) == ("1.097", "0.6", None)

    cancelled = desk.post(CANCEL, named)
    assert cancelled.status_code == 200
    assert cancelled.json()["order"]["order_status"] == "CANCELLED"


def test_a_modification_that_names_no_change_is_told_what_it_may_name(desk: Desk) -> None:
    answer = desk.post(MODIFY, {**desk.at(LIVE), "order_id": desk.rest()})

    assert (answer.status_code, answer.json()["reason"]) == (400, "missing_fields")
    assert list(answer.json()["fields"]) == [
        "order_price", "order_quantity", "stop_loss", "take_profit", "expires_at",
    ]  # fmt: skip


def test_close_all_gives_one_result_an_order_and_leaves_what_was_not_meant(desk: Desk) -> None:
    first, second = desk.buy(), desk.buy(lots="0.1")
    resting, elsewhere = desk.rest(), desk.buy(DEMO)

    answer = desk.post(CLOSE_ALL, desk.at(LIVE))

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert {result["order_id"]: result["ok"] for result in results} == {first: True, second: True}
    assert desk.get(f"/api/orders/{resting}").json()["order"]["order_status"] == "PENDING"
    assert desk.get(f"/api/orders/{elsewhere}").json()["order"]["order_status"] == "OPEN"


def test_close_all_of_a_symbol_nobody_holds_closes_nothing(desk: Desk) -> None:
    rows.offer("retail", "GBPUSD")
    renew()
    order = desk.buy()

    answer = desk.post(CLOSE_ALL, {**desk.at(LIVE), "symbol": "GBPUSD"})
    unknown = desk.post(CLOSE_ALL, {**desk.at(LIVE), "symbol": "USDGBP"})

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "results": []})
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "unknown_symbol")
    assert desk.get(f"/api/orders/{order}").json()["order"]["order_status"] == "OPEN"


def test_a_refusal_of_the_rules_is_a_problem_with_the_figures_it_rests_on(desk: Desk) -> None:
    before = desk.versions()

    answer = desk.post(EXECUTE, {**desk.at(LIVE), **BUY, "order_quantity": "10"})

    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    # 10 lots take 11,003.00 of margin and lose 4 points of 0.0001 at once.
    assert problem["required"] == "11403"
    assert problem["available"] == "10000"
    assert {name: problem[name] for name in ("ok", "type", "title", "status", "reason", "fields")} == {
        "ok": False,
        "type": "urn:problem-type:insufficient_margin",
        "title": "Insufficient margin",
        "status": 409,
        "reason": "insufficient_margin",
        "fields": {},
    }
    assert desk.versions() == before


def test_user_id_may_be_text_or_number_and_amounts_too(desk: Desk) -> None:
    account = {"user_type": LIVE, "user_id": str(desk.accounts[LIVE].pk)}

    answer = desk.post(EXECUTE, {**account, "symbol": "EURUSD", "order_type": "SELL", "order_quantity": 0.3})

    assert answer.status_code == 201
    assert (answer.json()["order"]["open_price"], answer.json()["order"]["initial_margin"]) == ("1.0999", "329.97")


def numbers_in(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [found for each in value.values() for found in numbers_in(each)]
    if isinstance(value, list):
        return [found for each in value for found in numbers_in(each)]
    return [value] if isinstance(value, float) else []


def test_no_answer_holds_a_float(desk: Desk) -> None:
    order = desk.buy()
    account = desk.accounts[LIVE]
    answers = [
        desk.get(f"/api/orders/{order}").json(),
        desk.get(f"/api/accounts/live/{account.pk}").json(),
        desk.post(CLOSE, {**desk.at(LIVE), "order_id": order}).json(),
        desk.post(
            f"/api/accounts/live/{account.pk}/transfers", {"kind": "deposit", "amount": 0.1, "reason": "x"}, by="dealer"
        ).json(),
    ]

    assert [numbers_in(answer) for answer in answers] == [[], [], [], []]


# sending_orders of the request, by whom -> status, and the flow or the reason; the account's own setting is rock
ROUTING = [
    ("rock", "trader", (201, "local")),
    (" ROCK ", "trader", (201, "local")),
    ("", "trader", (201, "local")),
    ("barclays", "trader", (403, "routing_not_permitted")),
    ("barclays", "trading key", (403, "routing_not_permitted")),
    ("barclays", "dealer", (503, "provider_unavailable")),
    ("barclays", "dealing key", (503, "provider_unavailable")),
    ("other", "dealer", (400, "invalid_fields")),
]


def test_routing_is_asked_of_the_rules_with_whoever_asks(desk: Desk, subtests: pytest.Subtests) -> None:
    for asked, by, expected in ROUTING:
        with subtests.test(asked=asked, by=by):
            answer = desk.post(EXECUTE, {**desk.at(LIVE), **BUY, "sending_orders": asked}, by=by)
            found = answer.json()["order"]["flow"] if answer.status_code == 201 else answer.json()["reason"]
            assert (answer.status_code, found) == expected


def test_the_owner_of_a_copy_follower_looks_and_a_dealer_trades(desk: Desk) -> None:
    refused = desk.post(EXECUTE, {**desk.at(COPY_FOLLOWER), **BUY})
    assert (refused.status_code, refused.json()["reason"]) == (403, "not_permitted")

    order = desk.buy(COPY_FOLLOWER, by="dealer")

    assert desk.get(f"/api/orders/{order}").json()["order"]["order_status"] == "OPEN"
    refused = desk.post(CLOSE, {**desk.at(COPY_FOLLOWER), "order_id": order})
    assert refused.json()["reason"] == "not_permitted"
    closed = desk.post(CLOSE, {**desk.at(COPY_FOLLOWER), "order_id": order}, by="dealing key")
    assert closed.json()["order"]["order_status"] == "CLOSED"


def test_an_order_of_another_account_of_ones_own_is_not_found_on_this_one(desk: Desk) -> None:
    order = desk.buy(LIVE)

    answer = desk.post(CLOSE, {**desk.at(DEMO), "order_id": order})

    assert (answer.status_code, answer.json()["reason"]) == (404, "order_not_found")
    assert desk.get(f"/api/orders/{order}").json()["order"]["order_status"] == "OPEN"


def test_the_same_key_and_body_give_the_same_answer_and_one_order(desk: Desk) -> None:
    body = {**desk.at(LIVE), **BUY}
    first = desk.post(EXECUTE, body, **{"Idempotency-Key": "one"})
    again = desk.post(EXECUTE, {**body, "idempotency_key": "one"})
    both = desk.post(EXECUTE, {**body, "idempotency_key": "one"}, **{"Idempotency-Key": "one"})

    assert [answer.status_code for answer in (first, again, both)] == [201, 201, 201]
    assert first.json() == again.json() == both.json()
    assert [answer.get("Idempotent-Replayed") for answer in (first, again, both)] == [None, "true", "true"]
    assert first["Idempotency-Key"] == "one"
    assert len(load(desk.accounts[LIVE].ref, all_orders=True).orders) == 1


def test_the_same_key_with_another_body_is_refused(desk: Desk) -> None:
    body = {**desk.at(LIVE), **BUY}
    desk.post(EXECUTE, body, **{"Idempotency-Key": "one"})

    other = desk.post(EXECUTE, {**body, "order_quantity": "0.6"}, **{"Idempotency-Key": "one"})

    assert (other.status_code, other.json()["reason"]) == (422, "idempotency_mismatch")


def test_another_principals_key_is_another_key(desk: Desk) -> None:
    body = {**desk.at(LIVE), **BUY, "idempotency_key": "one"}

    orders = {desk.post(EXECUTE, body, by=by).json()["order"]["order_id"] for by in ("trader", "trading key", "dealer")}

    assert len(orders) == 3


def test_without_a_key_each_request_is_a_new_command_and_the_answer_names_its_key(desk: Desk) -> None:
    body = {**desk.at(LIVE), **BUY}
    first, second = desk.post(EXECUTE, body), desk.post(EXECUTE, body)
    assert first.json()["order"]["order_id"] != second.json()["order"]["order_id"]

    again = desk.post(EXECUTE, body, **{"Idempotency-Key": first["Idempotency-Key"]})

    assert again.json() == first.json()


def test_keys_that_contradict_each_other_or_are_none_are_refused(desk: Desk, subtests: pytest.Subtests) -> None:
    before = desk.versions()
    for header, named in (("one", {"idempotency_key": "two"}), ("a b", {}), ("k" * 129, {}), ("", {}), ("caf\xe9", {})):
        with subtests.test(header=header):
            answer = desk.post(EXECUTE, {**desk.at(LIVE), **BUY, **named}, **{"Idempotency-Key": header})
            assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_fields")
    assert desk.versions() == before


def test_an_account_shows_its_money_margins_and_orders_as_they_are_now(desk: Desk) -> None:
    order = desk.buy(LIVE)
    desk.quote("1.1050", "1.1052")

    answer = desk.get(f"/api/accounts/live/{desk.accounts[LIVE].pk}")

    assert answer.status_code == 200
    account = answer.json()["account"]
    # 0.5 lots bought at 1.1003 close at 1.1049: 230.00.
    assert {name: account[name] for name in account if name not in ("as_of", "version", "user_id")} == {
        "user_type": "live",
        "account_number": desk.accounts[LIVE].account_number,
        "group": "retail",
        "leverage": 100,
        "currency": "USD",
        "status": "active",
        "sending_orders": "rock",
        "balance": "10000",
        "credit": "0",
        "used_margin": "550.15",
        "reserved_margin": "0",
        "equity": "10230",
        "floating_profit": "230",
        "free_margin": "9679.85",
        "margin_level": "1859.49",
        "unpriced": None,
        "live_orders": 1,
        "margin_called": False,
    }
    assert [each["order_id"] for each in answer.json()["orders"]] == [order]


def test_a_flat_account_has_no_margin_level(desk: Desk) -> None:
    account = desk.get(f"/api/accounts/demo/{desk.accounts[DEMO].pk}").json()["account"]

    assert (account["equity"], account["margin_level"], account["used_margin"]) == ("10000", None, "0")


def test_an_account_without_a_price_of_what_it_holds_shows_no_equity_rather_than_a_wrong_one(desk: Desk) -> None:
    desk.buy(LIVE)
    desk.book.market.delete("market:EURUSD")

    account = desk.get(f"/api/accounts/live/{desk.accounts[LIVE].pk}").json()["account"]

    assert (account["balance"], account["used_margin"]) == ("10000", "550.15")
    assert (account["equity"], account["free_margin"], account["margin_level"]) == (None, None, None)
    assert account["unpriced"] == "no_price"


def test_an_account_not_yet_in_the_book_enters_it_when_looked_at(desk: Desk) -> None:
    fresh = rows.account(LIVE, "trader")

    answer = desk.get(f"/api/accounts/live/{fresh.pk}")

    assert (answer.status_code, answer.json()["account"]["balance"]) == (200, "0")


def test_an_order_that_ended_is_still_shown(desk: Desk) -> None:
    order = desk.buy(STRATEGY_PROVIDER)
    desk.post(CLOSE, {**desk.at(STRATEGY_PROVIDER), "order_id": order})

    answer = desk.get(f"/api/orders/{order}")

    assert (answer.status_code, answer.json()["order"]["order_status"]) == (200, "CLOSED")


ABSENT_ORDERS = [
    "ord_l1_0000000000000",
    "ord_l999999_0000000000000",
    "nonsense",
    "%00",
    "%0A",
    "ord_l1_0000000000000%0A",
    "x" * 4000,
]
ABSENT_ACCOUNTS = [
    "live/999999", "live/0", "live/-1", "live/01", "live/x", "LIVE/1", "live/1%00", "block/1", "live/1%0A", "live/１",
    "live/" + "9" * 4000,
]  # fmt: skip


def test_what_is_not_there_is_not_found(desk: Desk, subtests: pytest.Subtests) -> None:
    for order in ABSENT_ORDERS:
        with subtests.test(order=order):
            answer = desk.get(f"/api/orders/{order}")
            assert (answer.status_code, answer.json()["reason"]) == (404, "order_not_found")
    for account in ABSENT_ACCOUNTS:
        with subtests.test(account=account):
            answer = desk.get(f"/api/accounts/{account}")
            assert (answer.status_code, answer.json()["reason"]) == (404, "account_not_found")
