"""Whoever is no browser in the admin gets JSON, whatever is asked and wherever."""

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from accounts.api.principals import principals
from copytrading.kernel.ids import LIVE
from tests.fixtures.desk import EXECUTE, Desk

LOG_OUT = "/api/auth/logout"


def told(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["reason"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_what_is_only_read_says_so(path: str, method: str) -> None:
    answer = Client(enforce_csrf_checks=True).generic(method, path, b"x")

    assert told(answer) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/api", "/API/orders", "/healthz/", "/metrics/", "/readyz/", "/orders", "/api/"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_path_that_is_none(path: str, method: str) -> None:
    assert told(Client(enforce_csrf_checks=True).generic(method, path, b"x")) == (404, "path_not_found")


def test_pages_of_the_admin_stay_pages(db: None, client: Client) -> None:
    assert client.get("/admin/nowhere/")["Content-Type"].startswith("text/html")


def test_a_compressed_body_is_not_read(desk: Desk) -> None:
    order = {**desk.at(LIVE), "symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.1"}
    packed = gzip.compress(json.dumps(order).encode())

    for encoding in ("gzip", "br", "gzip, identity", "x"):
        answer = desk.post(EXECUTE, packed, **{"Content-Encoding": encoding})
        assert told(answer) == (415, "unsupported_media_type")
        assert "Content-Encoding" in answer.json()["detail"]
    assert desk.post(EXECUTE, order, **{"Content-Encoding": "identity"}).status_code == 201


@pytest.mark.parametrize("reason", [" ", "     "])
def test_a_reason_of_blanks_moves_no_money(desk: Desk, reason: str) -> None:
    path = f"/api/accounts/live/{desk.accounts[LIVE].pk}/transfers"

    answer = desk.post(path, {"kind": "deposit", "amount": "1", "reason": reason}, by="dealer")

    assert told(answer) == (400, "invalid_fields")
    assert answer.json()["fields"] == {"reason": "holds nothing but blanks"}


@pytest.mark.parametrize(
    ("body", "reason"), [(b'{"x": 1}', "unknown_field"), (b"{", "invalid_json"), (b"[]", "invalid_json")]
)
def test_a_log_out_that_says_something_is_none(desk: Desk, body: bytes, reason: str) -> None:
    assert told(desk.post(LOG_OUT, body)) == (400, reason)
    principals.clear()
    assert desk.get("/api/orders").status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_log_out_that_says_nothing_is_one(desk: Desk, body: bytes) -> None:
    assert desk.post(LOG_OUT, body).json() == {"ok": True}
    assert told(desk.get("/api/orders")) == (401, "not_authenticated")
