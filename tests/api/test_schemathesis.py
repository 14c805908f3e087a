"""Whatever the description allows to be sent, the answer is one that it describes, and never a fault of ours."""

from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from copytrading.kernel.ids import LIVE
from copytrading.wsgi import application
from tests.fixtures.desk import Desk

EXAMPLES = 12
CHECKS: list[Any] = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("by", ["dealer", "trader"])
def test_every_answer_is_as_described(desk: Desk, by: str, subtests: Any) -> None:
    desk.buy(LIVE)
    desk.rest(LIVE)
    described = schemathesis.openapi.from_wsgi("/api/schema", application)
    headers = {"Authorization": f"Bearer {desk.tokens[by]}"}
    for found in described.get_all_operations():
        operation = cast(Any, found).ok()

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(headers=headers)
            told = answer.json()
            assert answer.status_code < 500 or (answer.status_code == 503 and told["reason"]), told
            assert told["ok"] is (answer.status_code < 400)
            case.validate_response(answer, checks=CHECKS)

        if operation.path != "/api/auth/logout":  # which ends the log-in all others are made with
            with subtests.test(operation=operation.label):
                ask()


def test_answers_with_something_in_them_are_as_described(desk: Desk) -> None:
    described = schemathesis.openapi.from_wsgi("/api/schema", application)
    live, account = desk.at(LIVE), {name: str(value) for name, value in desk.at(LIVE).items()}

    def ask(method: str, path: str, expected: int = 200, **parts: Any) -> dict[str, Any]:
        case = described[path][method].Case(**parts)
        answer = case.call(headers={"Authorization": f"Bearer {desk.tokens['dealer']}"})
        assert answer.status_code == expected, answer.json()
        case.validate_response(answer, checks=CHECKS)
        told: dict[str, Any] = answer.json()
        return told

    market = {**live, "symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.2", "stop_loss": "1.05"}
    opened = ask("POST", "/api/orders/instant/execute", 201, body=market)["order"]["order_id"]
    resting = {**live, "symbol": "EURUSD", "order_type": "BUY_LIMIT", "order_quantity": "0.1", "order_price": "1.09"}
    ask("POST", "/api/orders/pending/place", 201, body={**resting, "expires_at": "2099-01-01T00:00:00Z"})
    ask("POST", "/api/orders/close", body={**live, "order_id": opened, "order_quantity": "0.1"})
    moved = {"kind": "deposit", "amount": "5", "reason": "asked"}
    ask("POST", "/api/accounts/{user_type}/{user_id}/transfers", 201, path_parameters=account, body=moved)
    assert ask("POST", "/api/orders/close-all", body=live)["results"]
    assert ask("POST", "/api/orders/close", 409, body={**live, "order_id": opened})["reason"] == "order_not_open"

    order, page = {"order_id": opened}, {"limit": 1}
    assert ask("GET", "/api/orders", query=page)["next_cursor"]
    assert ask("GET", "/api/deals", query=page)["next_cursor"]
    assert ask("GET", "/api/accounts", query=page)["next_cursor"]
    assert ask("GET", "/api/orders/{order_id}", path_parameters=order)["order"]
    assert len(ask("GET", "/api/orders/{order_id}/events", path_parameters=order)["events"]) == 3
    assert ask("GET", "/api/accounts/{user_type}/{user_id}", path_parameters=account)["orders"]
    assert ask("GET", "/api/accounts/{user_type}/{user_id}/transfers", path_parameters=account)["transfers"]
    assert ask("GET", "/api/instruments", query=account)["instruments"]
    assert ask("GET", "/api/instruments")["instruments"]
    assert ask("GET", "/api/quotes", query=account)["quotes"]
    assert ask("GET", "/api/quotes")["quotes"]
