"""Orders of strategies by paths of their own: the same verbs, with account and order named by the path."""

from typing import Any

import pytest

from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE, STRATEGY_PROVIDER
from tests.api.asking import Row, refused, rows
from tests.fixtures.desk import EXECUTE, STRATEGY, Desk

EXPIRY = "2099-01-31T12:00:00Z"
#: What the client of a market order saw.
ASKED = "1.1"
LEVELS = {"stop_loss": "1.0900", "take_profit": "1.1200"}
#: order type -> resting price (None: at the market), levels, status, the price it opens at
TYPES: dict[str, tuple[str | None, dict[str, str], str, str | None]] = {
    "BUY": (None, {"stop_loss": "1.09", "take_profit": "1.12"}, "OPEN", "1.1003"),
    "SELL": (None, {"stop_loss": "1.12", "take_profit": "1.09"}, "OPEN", "1.0999"),
    "BUY_LIMIT": ("1.098", {"stop_loss": "1.09", "take_profit": "1.12"}, "PENDING", None),
    "SELL_LIMIT": ("1.105", {"stop_loss": "1.12", "take_profit": "1.09"}, "PENDING", None),
    "BUY_STOP": ("1.105", {"stop_loss": "1.09", "take_profit": "1.12"}, "PENDING", None),
    "SELL_STOP": ("1.098", {"stop_loss": "1.12", "take_profit": "1.09"}, "PENDING", None),
}


def own(desk: Desk) -> Row:
    return {"user_id": desk.accounts[STRATEGY_PROVIDER].pk}


def order_of(desk: Desk, order_type: str) -> Row:
    price, levels, *_ = TYPES[order_type]
    how = {"order_price": price, "expires_at": EXPIRY} if price else {"order_price": ASKED, "max_deviation_points": "3"}
    return {**own(desk), "symbol": "EURUSD", "order_type": order_type, "order_quantity": "0.1", **levels, **how}


@pytest.mark.parametrize("named", [{}, {"user_type": STRATEGY_PROVIDER}], ids=["", "user_type"])
def test_all_six_types_are_opened_or_placed(desk: Desk, named: Row, subtests: Any) -> None:
    for order_type, (price, levels, status, open_price) in TYPES.items():
        with subtests.test(order_type=order_type):
            answer = desk.post(STRATEGY, {**order_of(desk, order_type), **named, "sending_orders": "rock"})
            assert answer.status_code == 201, answer.content
            order = answer.json()["order"]
            assert {name: order[name] for name in levels} == levels
            assert (order["order_type"], order["side"]) == (order_type, order_type.partition("_")[0])
            assert (order["order_status"], order["order_price"], order["open_price"]) == (
                status,
                price or ASKED,
                open_price,
            )
            assert (order["user_type"], order["user_id"]) == (STRATEGY_PROVIDER, own(desk)["user_id"])
            assert order["expires_at"] == ("2099-01-31T12:00:00.000Z" if price else None)
            assert rows(desk, f"{STRATEGY}/{own(desk)['user_id']}")[0] == order


def test_a_market_order_keeps_its_price_for_the_record_and_its_bound(desk: Desk) -> None:
    body = order_of(desk, "BUY")

    assert desk.post(STRATEGY, body).json()["order"]["order_price"] == ASKED
    assert refused(desk.post(STRATEGY, body | {"max_deviation_points": "2"})) == (409, "price_moved")


def test_it_is_the_same_command_by_whichever_path_it_comes(desk: Desk) -> None:
    body, key = order_of(desk, "BUY"), {"Idempotency-Key": "one"}
    first = desk.post(STRATEGY, body, **key)
    again = desk.post(EXECUTE, {**body, "user_type": STRATEGY_PROVIDER}, **key)

    assert (again.status_code, again["Idempotent-Replayed"], again.json()) == (201, "true", first.json())


REFUSED_ORDERS: list[tuple[str, Row, tuple[int, str, list[str]]]] = [
    # order type, what is sent instead (None: left out), and what is answered
    *((kind, {"order_price": None}, (400, "missing_fields", ["order_price"])) for kind in list(TYPES)[2:]),
    ("BUY_LIMIT", {"max_deviation_points": "3"}, (400, "invalid_fields", ["max_deviation_points"])),
    ("SELL_STOP", {"max_deviation_points": "0"}, (400, "invalid_fields", ["max_deviation_points"])),
    ("BUY", {"expires_at": EXPIRY}, (400, "invalid_fields", ["expires_at"])),
    ("SELL", {"expires_at": EXPIRY}, (400, "invalid_fields", ["expires_at"])),
    ("BUY", {"user_id": None}, (400, "missing_fields", ["user_id"])),
    ("BUY", {"order_type": None}, (400, "missing_fields", ["order_type"])),
    ("BUY", {"user_type": LIVE}, (400, "invalid_fields", ["user_type"])),
    ("BUY", {"user_type": COPY_FOLLOWER}, (400, "invalid_fields", ["user_type"])),
    ("BUY", {"user_type": 1}, (400, "invalid_fields", ["user_type"])),
    ("BUY", {"user_id": 10**17}, (404, "account_not_found", [])),
    ("BUY", {"order_id": "ord_s1_0000000000000"}, (400, "unknown_field", ["order_id"])),
    ("BUY", {"order_type": "HOLD"}, (400, "invalid_order_type", ["order_type"])),
    ("BUY", {"sending_orders": "barclays"}, (403, "routing_not_permitted", ["sending_orders"])),
    ("BUY_LIMIT", {"order_price": "1.2"}, (400, "invalid_price_side", ["order_price"])),
    ("BUY_LIMIT", {"expires_at": "2020-01-01T00:00:00Z"}, (400, "invalid_fields", ["expires_at"])),
    ("BUY", {"stop_loss": "1.2"}, (400, "invalid_stop_loss", ["stop_loss"])),
]


def test_orders_that_are_refused(desk: Desk, subtests: Any) -> None:
    before = desk.versions()
    for order_type, change, expected in REFUSED_ORDERS:
        with subtests.test(order_type=order_type, change=change):
            body = {n: value for n, value in (order_of(desk, order_type) | change).items() if value is not None}
            answer = desk.post(STRATEGY, body)
            assert (*refused(answer), list(answer.json()["fields"])) == expected
    assert desk.versions() == before


#: verb -> the order it is for, the body it needs, and what it makes of the order
VERBS: dict[str, tuple[str, Row, Row]] = {
    "close": ("open", {}, {"order_status": "CLOSED", "close_price": "1.0999"}),
    "cancel": ("resting", {}, {"order_status": "CANCELLED", "reason": "cancelled"}),
    "stop-loss": ("open", {"stop_loss": "1.0950"}, {"stop_loss": "1.095"}),
    "stop-loss/cancel": ("open", {}, {"stop_loss": None, "take_profit": "1.12"}),
    "take-profit": ("open", {"take_profit": "1.1300"}, {"take_profit": "1.13"}),
    "take-profit/cancel": ("open", {}, {"take_profit": None, "stop_loss": "1.09"}),
}


def an_order(desk: Desk, state: str, kind: str = STRATEGY_PROVIDER) -> str:
    make = desk.buy if state == "open" else desk.rest
    return make(kind, lots="0.1", by="dealer", **LEVELS) if state == "open" else make(kind, by="dealer", **LEVELS)


def agreeing(desk: Desk, order: str) -> list[Row]:
    """What a body may say besides, being what the path says."""
    account = own(desk)["user_id"]
    return [
        {},
        {"user_type": STRATEGY_PROVIDER},
        {"user_id": account},
        {"user_id": str(account)},
        {"order_id": order},
        {"user_type": STRATEGY_PROVIDER, "user_id": account, "order_id": order, "idempotency_key": "one"},
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_takes_its_order_from_the_path_and_a_body_that_agrees(desk: Desk, verb: str, subtests: Any) -> None:
    state, needed, expected = VERBS[verb]
    for place in range(6):
        order = an_order(desk, state)
        said = agreeing(desk, order)[place]
        with subtests.test(said=said):
            answer = desk.post(f"{STRATEGY}/{order}/{verb}", {**needed, **said})
            assert answer.status_code == 200, answer.content
            assert {name: answer.json()["order"][name] for name in expected} == expected


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_needs_nothing_more_needs_no_body(desk: Desk, verb: str, subtests: Any) -> None:
    state, needed, expected = VERBS[verb]
    if needed:
        answer = desk.post(f"{STRATEGY}/{an_order(desk, state)}/{verb}", b"")
        assert refused(answer) == (400, "missing_fields")
        assert list(answer.json()["fields"]) == list(needed)
        return
    for content_type in ("application/json", "", "text/plain", "application/x-www-form-urlencoded"):
        with subtests.test(content_type=content_type):
            order = an_order(desk, state)
            answer = desk.post(f"{STRATEGY}/{order}/{verb}", b"", **{"Content-Type": content_type})
            assert answer.status_code == 200, answer.content
            assert {name: answer.json()["order"][name] for name in expected} == expected


@pytest.mark.parametrize("verb", VERBS)
def test_a_body_that_disagrees_with_the_path_does_nothing(desk: Desk, verb: str, subtests: Any) -> None:
    state, needed, expected = VERBS[verb]
    order, other = an_order(desk, state), an_order(desk, state)
    before = desk.versions()
    for said in (
        {"user_type": LIVE},
        {"user_type": None},
        {"user_type": [STRATEGY_PROVIDER]},
        {"user_id": desk.accounts[LIVE].pk + 10**6},
        {"user_id": 1.5},
        {"user_id": None},
        {"order_id": other},
        {"order_id": ""},
        {"user_type": DEMO, "user_id": "0", "order_id": "x"},
    ):
        with subtests.test(said=said):
            answer = desk.post(f"{STRATEGY}/{order}/{verb}", {**needed, **said})
            assert refused(answer) == (400, "invalid_fields")
            assert sorted(answer.json()["fields"]) == sorted(said)
    for raw in (b"null", b"[]", b"{", b'{"a": NaN}', b'"x"'):
        with subtests.test(raw=raw):
            assert refused(desk.post(f"{STRATEGY}/{order}/{verb}", raw)) == (400, "invalid_json")
    assert desk.versions() == before
    answer = desk.post(f"{STRATEGY}/{order}/{verb}", needed)
    assert {name: answer.json()["order"][name] for name in expected} == expected


def test_orders_of_other_accounts_and_kinds_are_not_found(desk: Desk, subtests: Any) -> None:
    elsewhere = {kind: desk.buy(kind, lots="0.1", by="dealer", **LEVELS) for kind in (LIVE, DEMO, COPY_FOLLOWER)}
    strategys = an_order(desk, "open")
    before = desk.versions()
    for verb, (_, needed, _) in VERBS.items():
        for name, order in {**elsewhere, "nonsense": "x", "absent": "ord_s1_0000000000000", "zero": "%00"}.items():
            for by in ("trader", "dealer", "dealing key"):
                with subtests.test(verb=verb, order=name, by=by):
                    answer = desk.post(f"{STRATEGY}/{order}/{verb}", needed, by=by)
                    assert refused(answer) == (404, "order_not_found")
        for by in ("stranger", "stranger's key"):
            with subtests.test(verb=verb, by=by):
                hidden = desk.post(f"{STRATEGY}/{strategys}/{verb}", needed, by=by)
                absent = desk.post(f"{STRATEGY}/ord_s999999_0000000000000/{verb}", needed, by=by)
                assert refused(hidden) == (404, "order_not_found")
                assert hidden.content == absent.content
    assert desk.versions() == before


def test_a_part_is_closed_once_with_its_key(desk: Desk) -> None:
    order = an_order(desk, "open")
    path, body, key = f"{STRATEGY}/{order}/close", {"order_quantity": "0.04"}, {"Idempotency-Key": "part"}
    answers = [desk.post(path, body, **key), desk.post(path, body, **key)]

    assert [answer.json()["order"]["open_quantity"] for answer in answers] == ["0.06", "0.06"]
    assert answers[1]["Idempotent-Replayed"] == "true"
    assert refused(desk.post(path, {"order_quantity": "0.05"}, **key)) == (422, "idempotency_mismatch")
    assert desk.post(path, b"").json()["order"]["open_quantity"] == "0"
    assert refused(desk.post(path, b"")) == (409, "order_not_open")
