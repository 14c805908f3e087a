"""Money into and out of an account, by a dealer and nobody else."""

from typing import Any

import pytest

from copytrading.kernel.ids import LIVE
from tests.fixtures.desk import Desk


def test_a_dealer_moves_money_with_a_reason_once(desk: Desk) -> None:
    path = f"/api/accounts/live/{desk.accounts[LIVE].pk}/transfers"
    moves = [
        ("deposit", "100.50", "10100.5", "0"),
        ("withdrawal", "0.50", "10100", "0"),
        ("correction", "-100", "10000", "0"),
        ("credit_in", "50", "10000", "50"),
        ("credit_out", 20, "10000", "30"),
    ]
    for kind, amount, balance, credit in moves:
        body = {"kind": kind, "amount": amount, "reason": "asked by phone"}
        answers = [desk.post(path, body, by="dealing key", **{"Idempotency-Key": kind}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert (answers[0].json()["balance"], answers[0].json()["credit"]) == (balance, credit)


NO_DEALERS = [
    ("trader", (403, "not_permitted")),
    ("trading key", (403, "not_permitted")),
    ("support", (403, "not_permitted")),
    ("stranger", (404, "account_not_found")),
    ("stranger's key", (404, "account_not_found")),
    (None, (401, "not_authenticated")),
]

BAD_MOVES: list[tuple[dict[str, Any], tuple[int, str, list[str]]]] = [
    ({"kind": "deposit", "amount": "-1", "reason": "x"}, (400, "invalid_fields", ["amount"])),
    ({"kind": "deposit", "amount": "0", "reason": "x"}, (400, "invalid_fields", ["amount"])),
    ({"kind": "deposit", "amount": "0.001", "reason": "x"}, (400, "invalid_fields", ["amount"])),
    ({"kind": "gift", "amount": "1", "reason": "x"}, (400, "invalid_fields", ["kind"])),
    ({"kind": "deposit", "amount": "1", "reason": ""}, (400, "invalid_fields", ["reason"])),
    ({"kind": "deposit", "amount": "1", "reason": "a\nb"}, (400, "invalid_fields", ["reason"])),
    ({"kind": "deposit", "amount": "1"}, (400, "missing_fields", ["reason"])),
    ({"kind": "deposit", "amount": "1", "reason": "x", "user_id": 10**6}, (400, "invalid_fields", ["user_id"])),
    ({"kind": "deposit", "amount": "1", "reason": "x", "user_type": "demo"}, (400, "invalid_fields", ["user_type"])),
    ({"kind": "deposit", "amount": "1", "reason": "x", "order_id": "x"}, (400, "unknown_field", ["order_id"])),
    ({"kind": "withdrawal", "amount": "10000.01", "reason": "x"}, (409, "insufficient_funds", [])),
    ({"kind": "credit_out", "amount": "0.01", "reason": "x"}, (409, "insufficient_funds", [])),
]


def test_movements_of_money_that_are_refused(desk: Desk, subtests: pytest.Subtests) -> None:
    before = desk.versions()
    path = f"/api/accounts/live/{desk.accounts[LIVE].pk}/transfers"
    for by, expected in NO_DEALERS:
        with subtests.test(by=by):
            answer = desk.post(path, {"kind": "deposit", "amount": "100", "reason": "please"}, by=by)
            assert (answer.status_code, answer.json()["reason"]) == expected
    for body, told in BAD_MOVES:
        with subtests.test(body=body):
            answer = desk.post(path, body, by="dealer")
            assert (answer.status_code, answer.json()["reason"], list(answer.json()["fields"])) == told
    assert desk.versions() == before
