"""Whatever is sent to a path that does something: a reason, never a 500, never HTML, and nothing done.

Every table ends with the good body it was made from, which must be carried out: so that a refusal
is for what was made wrong, and not for something else.
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from knox.models import AuthToken

from accounts.api.principals import principals
from accounts.models import User
from copytrading.kernel import clock
from copytrading.kernel.ids import DEMO, LIVE, STRATEGY_PROVIDER
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
    STRATEGY,
    TAKE_PROFIT_ADD,
    TAKE_PROFIT_CANCEL,
    Desk,
    issue,
)

Body = dict[str, Any]
BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.1"}
BUY_LIMIT = {"symbol": "EURUSD", "order_type": "BUY_LIMIT", "order_quantity": "0.1", "order_price": "1.0980"}
LEVELS = {"stop_loss": "1.0900", "take_profit": "1.1200"}


def _on_open(desk: Desk, **more: Any) -> Body:
    return {**desk.at(LIVE), "order_id": desk.buy(**LEVELS), **more}


def _on_resting(desk: Desk, **more: Any) -> Body:
    return {**desk.at(LIVE), "order_id": desk.rest(), **more}


def _on_strategys(desk: Desk, resting: bool = False, **more: Any) -> Body:
    make = desk.rest if resting else desk.buy
    return {**desk.at(STRATEGY_PROVIDER), "order_id": make(STRATEGY_PROVIDER, **LEVELS), **more}


TRANSFERS = "/api/accounts/live/{live}/transfers"
#: Paths that name the order themselves; the body of most may be left out.
ON_STRATEGY = f"{STRATEGY}/{{order_id}}"

#: A body of each path that is carried out, with every field the path takes.
GOOD: dict[str, Callable[[Desk], Body]] = {
    EXECUTE: lambda desk: {
        **desk.at(LIVE), **BUY, **LEVELS, "order_price": "1.1003", "max_deviation_points": "3",
        "sending_orders": "rock",
    },
    PLACE: lambda desk: {
        **desk.at(LIVE), **BUY_LIMIT, **LEVELS, "expires_at": "2099-01-01T00:00:00Z", "sending_orders": "rock",
    },
    MODIFY: lambda desk: _on_resting(
        desk, order_price="1.0970", order_quantity="0.2", **LEVELS, expires_at="2099-01-01T00:00:00Z"
    ),
    CANCEL: _on_resting,
    CLOSE: lambda desk: _on_open(desk, order_quantity="0.1"),
    CLOSE_ALL: lambda desk: {**_on_open(desk), "symbol": "EURUSD"} | {"order_id": None},
    STOP_LOSS_ADD: lambda desk: _on_open(desk, stop_loss="1.0950"),
    STOP_LOSS_CANCEL: _on_open,
    TAKE_PROFIT_ADD: lambda desk: _on_open(desk, take_profit="1.1300"),
    TAKE_PROFIT_CANCEL: _on_open,
    TRANSFERS: lambda _: {"kind": "deposit", "amount": "1", "reason": "asked"},
    STRATEGY: lambda desk: {
        **desk.at(STRATEGY_PROVIDER), **BUY, **LEVELS, "order_price": "1.1003", "max_deviation_points": "3",
        "sending_orders": "rock",
    },
    f"{STRATEGY}#resting": lambda desk: {
        **desk.at(STRATEGY_PROVIDER), **BUY_LIMIT, **LEVELS, "expires_at": "2099-01-01T00:00:00Z",
    },
    f"{ON_STRATEGY}/close": lambda desk: _on_strategys(desk, order_quantity="0.1"),
    f"{ON_STRATEGY}/cancel": lambda desk: _on_strategys(desk, resting=True),
    f"{ON_STRATEGY}/stop-loss": lambda desk: _on_strategys(desk, stop_loss="1.0950"),
    f"{ON_STRATEGY}/stop-loss/cancel": _on_strategys,
    f"{ON_STRATEGY}/take-profit": lambda desk: _on_strategys(desk, take_profit="1.1300"),
    f"{ON_STRATEGY}/take-profit/cancel": _on_strategys,
}  # fmt: skip
PATHS = list(GOOD)
#: Where {} is carried out.
NEED_NOTHING = {f"{ON_STRATEGY}/{verb}" for verb in ("close", "cancel", "stop-loss/cancel", "take-profit/cancel")}

NUMBERS = {
    "order_quantity", "order_price", "max_deviation_points", "stop_loss", "take_profit", "amount",
}  # fmt: skip

#: JSON texts that are no number in plain digits of any amount here.
NO_NUMBERS = [
    "1e2", "1e400", "-0", "-0.0", '"-0"', '"1_000"', '"１"', '"٣"', '"NaN"', '"Infinity"', '"1e2"', '"1e400"', '" 1"',
    '"+1"', '"0x1"',
    '""', '"abc"', '"1\\u0000"', '"1\\n"', "true", "null", "[]", '["1"]', "{}", "0.12345678901", '"0.12345678901"',
    "9" * 4000, f'"{"9" * 4000}"', f"-{'9' * 4000}", f"0.{'1' * 4000}",
]  # fmt: skip

#: JSON texts that no field of another type takes.
NO_VALUES: dict[str, list[str]] = {
    "user_type": ['"LIVE"', '"live\\u0000"', '"admin"', '""', "1", "[]", "null", "{}", '"live:1"', f'"{"x" * 4000}"'],
    "user_id": [
        "0", "-1", "1.5", "1e2", "true", "null", "[]", '"１"', '"1_0"', '" 1"', '"*"', '"1}"', "9" * 4000,
        f'"{"9" * 4000}"',
    ],
    "order_id": [
        '""', '"x"', "1", "null", "[]", '"ord_l1_*"', '"ord_l1_0000000000000\\n"', '"ord_l1_0000000000000}"',
        f'"{"o" * 4000}"',
    ],
    "symbol": [
        '"eurusd"', '"EUR USD"', '"EURUSD\\u0000"', '"EURUSD:x"', '"*"', "1", "null", "[]", '""', '"ＥＵＲＵＳＤ"',
        f'"{"E" * 4000}"',
    ],
    "order_type": ['"HOLD"', '"buy"', '"BUY "', '"BUY\\u0000"', "1", "null", "[]", '""'],
    "expires_at": [
        '"2099-01-01"', '"2099-01-01T00:00:00"', '"never"', "4070908800", "[]", '""', '"2099-13-01T00:00:00Z"',
    ],
    "sending_orders": ['"metaquotes"', '"rock\\u0000"', "1", "null", "[]"],
    "idempotency_key": ['"a b"', '"a\\u0000"', '""', "1", "null", "[]", f'"{"k" * 4000}"', '"{x}"'],
    "kind": ['"gift"', '"DEPOSIT"', "1", "null", "[]", '""'],
    "reason": ['""', '"a\\nb"', '"a\\u0000"', '"\\u001b[0m"', '"\\u202e"', "1", "null", "[]", f'"{"r" * 4000}"'],
}  # fmt: skip

SPECIFIC = {"order_type": "invalid_order_type", "order_quantity": "invalid_order_quantity"}

#: Bodies that no path reads at all: what is sent, and the reason.
UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "NaN": (b'{"a": NaN}', 400, "invalid_json"),
    "1_000": (b'{"a": 1_000}', 400, "invalid_json"),
    "full-width digits": ('{"a": １}'.encode(), 400, "invalid_json"),
    "a list": (b"[]", 400, "invalid_json"),
    "a text": (b'"a"', 400, "invalid_json"),
    "null": (b"null", 400, "invalid_json"),
    "half an object": (b'{"a": ', 400, "invalid_json"),
    "a duplicate key": (b'{"a": 1, "a": 1}', 400, "invalid_json"),
    "a duplicate key below": (b'{"a": {"b": 1, "b": 1}}', 400, "invalid_json"),
    "1,000 levels": (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, 400, "invalid_json"),
    "30,000 levels": (b"[" * 30_000 + b"]" * 30_000, 400, "invalid_json"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), 400, "invalid_json"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), 400, "invalid_json"),
    "a control character": (b'{"a": "\x00"}', 400, "invalid_json"),
    "half a surrogate pair": (b'{"a": "\\ud800"}', 400, "invalid_json"),
    "no fields": (b"{}", 400, "missing_fields"),
    "100,000 levels": (b"[" * 100_000, 413, "body_too_large"),
    "1 MB": (b'{"a": "' + b"x" * 1_000_000 + b'"}', 413, "body_too_large"),
    "one byte too many": (b'{"a": "' + b"x" * (64 * 1024 - 8) + b'"}', 413, "body_too_large"),
    "3 MB": (b"x" * 3_000_000, 413, "body_too_large"),
}

OTHER_CONTENT_TYPES = [
    "", "text/plain", "text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/xml", "*/*",
    "application/*", "application/jsonp", "application/json, text/html", "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=bz2_codec", "nonsense", "application/problem+json",
]  # fmt: skip


def made_good(desk: Desk, path: str) -> tuple[str, Body]:
    """The path with what it names, and a body that is carried out there, at a price of now."""
    desk.quote()
    good = {name: value for name, value in GOOD[path](desk).items() if value is not None}
    return path.partition("#")[0].format(live=desk.accounts[LIVE].pk, **good), good


def wrong_bodies(good: Body) -> Iterator[tuple[str, str, str]]:
    """`good` with one field wrong: (field, raw JSON, reason)."""
    for name in [*good, "idempotency_key"]:
        texts = NO_NUMBERS if name in NUMBERS else NO_VALUES[name]
        for text in [*texts, "0", '"-1"'] if name in NUMBERS - {"max_deviation_points", "amount"} else texts:
            others = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in good.items() if key != name)
            raw = f'{{{others}{", " if others else ""}"{name}": {text}}}'
            yield name, raw, SPECIFIC.get(name, "invalid_fields")


def told(answer: Any) -> tuple[int, str]:
    """Status and reason of a refusal, after looking that it is one as every refusal must be."""
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["ok"] is False
    assert problem["status"] == answer.status_code
    assert problem["advice"]
    assert problem["detail"]
    assert len(answer.content) < 5_000
    return answer.status_code, problem["reason"]


@pytest.mark.parametrize("path", PATHS)
def test_bodies_that_are_refused_and_the_one_that_is_not(desk: Desk, path: str, subtests: pytest.Subtests) -> None:
    url, good = made_good(desk, path)
    keys, versions = desk.book.keys(), desk.versions()

    for name, (raw, status, reason) in UNREADABLE.items():
        if path in NEED_NOTHING and name == "no fields":
            continue
        with subtests.test("unreadable", what=name):
            assert told(desk.post(url, raw, by="dealer")) == (status, reason)
    for content_type in OTHER_CONTENT_TYPES:
        with subtests.test("content type", what=content_type):
            answer = desk.post(url, good, by="dealer", **{"Content-Type": content_type})
            assert told(answer) == (415, "unsupported_media_type")
    for name in ("balance", "leverage", "margin", "price", "status", "", "\x00", "x" * 1_000, "__class__", "$ne"):
        with subtests.test("unknown field", what=name[:20]):
            assert told(desk.post(url, {**good, name: "1000000"}, by="dealer")) == (400, "unknown_field")
    for name, body, reason in wrong_bodies(good):
        if (path, name, body.endswith("null}")) == (MODIFY, "expires_at", True):
            continue  # null takes an expiry away
        with subtests.test("wrong value", what=name, body=body[-60:]):
            answer = desk.post(url, body.encode(), by="dealer")
            assert told(answer) == (400, reason)
            assert list(answer.json()["fields"]) == [name]

    assert desk.book.keys() == keys
    assert desk.versions() == versions
    assert desk.post(url, good, by="dealer").json()["ok"] is True
    assert desk.versions() != versions


def test_each_missing_field_is_named_and_all_of_them_at_once(desk: Desk, subtests: pytest.Subtests) -> None:
    for path in PATHS:
        url, good = made_good(desk, path)
        versions = desk.versions()
        all_missing = {} if path in NEED_NOTHING else desk.post(url, {}, by="dealer").json()["fields"]
        needed = [name for name in good if name in all_missing]
        assert sorted(needed) == sorted(all_missing)
        for name in needed:
            with subtests.test(name, path=path):
                answer = desk.post(url, {key: value for key, value in good.items() if key != name}, by="dealer")
                assert told(answer) == (400, "missing_fields")
                assert answer.json()["fields"] == {name: "missing"}
        assert desk.versions() == versions
        if path in NEED_NOTHING:
            with subtests.test("nothing is missing", path=path):
                assert desk.post(url, {}, by="dealer").json()["ok"] is True


def test_a_body_with_only_user_type_and_sending_orders_is_told_what_is_missing(desk: Desk) -> None:
    answer = desk.post(EXECUTE, {"user_type": "live", "sending_orders": "rock"})

    assert told(answer) == (400, "missing_fields")
    assert sorted(answer.json()["fields"]) == ["order_quantity", "order_type", "symbol", "user_id"]


def expired_log_in() -> str:
    made, token = AuthToken.objects.create(user=User.objects.get(username="trader"))
    AuthToken.objects.filter(pk=made.pk).update(expiry=clock.now() - timedelta(seconds=1))
    return str(token)


def revoked_log_in() -> str:
    made, token = AuthToken.objects.create(user=User.objects.get(username="trader"))
    made.delete()
    return str(token)


def revoked_key() -> str:
    key, secret = issue("trader", ["read", "trade"])
    key.revoke()
    return secret


def expired_key() -> str:
    with time_machine.travel(clock.now() - timedelta(days=3)):
        return issue("trader", ["read", "trade"])[1]


def bad_tokens() -> dict[str, str]:
    return {
        "expired log-in": expired_log_in(),
        "revoked log-in": revoked_log_in(),
        "expired key": expired_key(),
        "revoked key": revoked_key(),
        "unknown": "0" * 64,
        "unknown key": "ct_abcdefgh_" + "x" * 43,
    }


def test_nobody_gets_in_without_a_valid_token(desk: Desk, subtests: pytest.Subtests) -> None:
    desk.tokens |= (bad := bad_tokens())
    for path in PATHS:
        url, good = made_good(desk, path)
        principals.clear()
        versions = desk.versions()
        for by in (None, *bad):
            for body in (good, b"{", b"x" * 100_000):
                cache.clear()  # an address that sends too many of them is told so instead
                with subtests.test(by=by, path=path):
                    assert told(desk.post(url, body, by=by)) == (401, "not_authenticated")
        assert desk.versions() == versions


def test_other_peoples_accounts_and_orders_are_not_found(desk: Desk, subtests: pytest.Subtests) -> None:
    """A path that names an order hides it itself; a body that says otherwise than such a path is wrong."""
    strangers_own = {"user_type": LIVE, "user_id": rows.account(LIVE, "stranger", sending_orders="rock").pk}
    for path in PATHS:
        url, good = made_good(desk, path)
        by_path = path.startswith(ON_STRATEGY)
        hidden = (404, "order_not_found" if by_path else "account_not_found")
        elsewhere = (400, "invalid_fields") if by_path else (404, "order_not_found")
        versions = desk.versions()
        for by in ("stranger", "stranger's key"):
            with subtests.test("the account", by=by, path=path):
                assert told(desk.post(url, good, by=by)) == hidden
            if "order_id" in good:
                with subtests.test("the order, under an account of one's own", by=by, path=path):
                    assert told(desk.post(url, {**good, **strangers_own}, by=by)) == elsewhere
        if path != TRANSFERS and not by_path:
            with subtests.test("hidden and absent read alike", path=path):
                absent = desk.post(url, good | {"user_id": 10**17}, by="stranger")
                assert desk.post(url, good, by="stranger").content == absent.content
        if "order_id" in good:
            with subtests.test("the order, under another kind of account", path=path):
                assert told(desk.post(url, {**good, **desk.at(DEMO)}, by="dealer")) == elsewhere
        assert desk.versions() == versions


def test_a_key_that_only_reads_does_nothing(desk: Desk, subtests: pytest.Subtests) -> None:
    for path in PATHS:
        url, good = made_good(desk, path)
        versions = desk.versions()
        for by in ("reading key", "support"):
            with subtests.test(path=path, by=by):
                assert told(desk.post(url, good, by=by)) == (403, "not_permitted")
        assert desk.versions() == versions


def test_other_peoples_orders_and_accounts_are_not_shown(desk: Desk, subtests: pytest.Subtests) -> None:
    order, account = desk.buy(), desk.accounts[LIVE].pk
    for by, order_status, account_status in (
        ("trader", 200, 200),
        ("reading key", 200, 200),
        ("support", 200, 200),
        ("dealer", 200, 200),
        ("administrator", 200, 200),
        ("stranger", 404, 404),
        ("strategist", 404, 404),
        ("stranger's key", 404, 404),
        (None, 401, 401),
    ):
        with subtests.test(by=by):
            assert desk.get(f"/api/orders/{order}", by=by).status_code == order_status
            assert desk.get(f"/api/accounts/live/{account}", by=by).status_code == account_status
    assert told(desk.get(f"/api/orders/{order}", by="stranger")) == (404, "order_not_found")
    assert told(desk.get(f"/api/accounts/live/{account}", by="stranger")) == (404, "account_not_found")


def test_methods_and_paths_that_are_not_there_are_told_in_json(desk: Desk, subtests: pytest.Subtests) -> None:
    for path in [*(made_good(desk, path)[0] for path in PATHS), "/api/auth/login"]:
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            if (method, path[-10:]) == ("GET", "/transfers"):
                continue  # that is their list
            with subtests.test(path=path, method=method):
                answer = desk.client.generic(
                    method, path, b"{}", headers={"Authorization": f"Bearer {desk.tokens['dealer']}"}
                )
                assert told(answer) == (405, "method_not_allowed")
                assert "POST" in answer["Allow"]
    for path in (
        "/api/nonsense",
        "/api/",
        "/api/orders/close/",
        "/api/auth/login/",
        "/api/orders/a/b/c",
        "/api/%00",
        "/api/é",
    ):
        with subtests.test(path=path):
            assert told(desk.post(path, {}, by="dealer")) == (404, "path_not_found")


def test_a_client_that_wants_html_gets_json(desk: Desk, subtests: pytest.Subtests) -> None:
    for accept in ("text/html", "application/xml", "*/*;q=0", "nonsense", ""):
        with subtests.test(accept=accept):
            assert told(desk.post(EXECUTE, {}, Accept=accept)) == (400, "missing_fields")
            assert told(desk.client.post(f"{EXECUTE}?format=html", headers={"Accept": accept})) == (
                401,
                "not_authenticated",
            )


def test_a_content_length_that_lies_is_not_believed(desk: Desk) -> None:
    versions = desk.versions()
    raw = json.dumps({**desk.at(LIVE), **BUY})
    headers = {"Authorization": f"Bearer {desk.tokens['trader']}"}

    def send(**environ: Any) -> tuple[int, str]:
        return told(desk.client.post(EXECUTE, raw, content_type="application/json", headers=headers, **environ))

    assert send(CONTENT_LENGTH="10") == (400, "invalid_json")
    assert send(CONTENT_LENGTH="99999999999999") == (413, "body_too_large")
    assert send(CONTENT_LENGTH="") == (400, "invalid_json")
    assert send(CONTENT_LENGTH="-1") == (400, "invalid_json")
    assert send(CONTENT_LENGTH="１２") == (400, "invalid_json")
    assert send(CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked") == (400, "invalid_json")
    assert desk.versions() == versions


def test_a_request_for_another_host_is_told_in_json(desk: Desk) -> None:
    assert told(desk.client.get("/api/orders/x", headers={"Host": "evil.example"})) == (400, "host_not_allowed")
