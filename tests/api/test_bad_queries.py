"""Whatever is asked in a query string: a reason and the name of what is wrong, never a 500 or HTML, nothing done."""

from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache

from accounts.api.principals import principals
from copytrading.kernel.ids import COPY_FOLLOWER, LIVE, STRATEGY_PROVIDER
from copytrading.wsgi import application
from tests.api.test_bad_input import bad_tokens, told
from tests.fixtures.desk import STRATEGY, Desk

ACCOUNT = ("user_type", "user_id")
TIMES = ("since", "until")
FOLLOWER = "/api/copy-trading/orders/copy-follower"

#: Every path that is asked with GET, and what its query string may hold.
PATHS: dict[str, tuple[str, ...]] = {
    "/api/orders": (*ACCOUNT, "status", "symbol", *TIMES, "limit", "cursor"),
    f"{STRATEGY}/{{strategy}}": ("status", "symbol", *TIMES, "limit", "cursor"),
    f"{FOLLOWER}/{{follower}}": ("status", "symbol", *TIMES, "limit", "cursor"),
    "/api/deals": (*ACCOUNT, "symbol", "order_id", *TIMES, "limit", "cursor"),
    "/api/accounts": ("user_type", "status", "limit", "cursor"),
    "/api/accounts/live/{live}/transfers": ("kind", *TIMES, "limit", "cursor"),
    "/api/quotes": (*ACCOUNT, "symbol"),
    "/api/instruments": ACCOUNT,
    "/api/orders/{order}": (),
    "/api/orders/{order}/events": (),
    "/api/accounts/live/{live}": (),
}
LISTS = [path for path, names in PATHS.items() if "limit" in names]

LONG = "9" * 4000
#: Values that no query string may hold, before they are encoded.
WRONG: dict[str, list[str]] = {
    "user_type": ["", "LIVE", "live\x00", "admin", "live:1", "live,demo", " live", "x" * 4000],
    "user_id": ["", "0", "-1", "+1", "01", "1.0", "1.5", "1e2", "1e400", "NaN", "１", "٣", " 1", "1_0", "1\x00", LONG],
    "status": ["", "open", "OPEN,", ",OPEN", "OPEN,,CLOSED", "OPEN, CLOSED", "FILLED", "OPEN;CLOSED", "OPEN\x00",
               "OPEN," * 20 + "OPEN", "x" * 4000],
    "symbol": ["", "eurusd", "EUR USD", "EURUSD\x00", "EURUSD:x", "*", "ＥＵＲＵＳＤ", "E", "E" * 4000, "\ud800"],
    "order_id": ["", "x", "ord_l1_*", "ord_l1_0000000000000\n", "ord_x1_0000000000000", "ord_l0_0000000000000", LONG],
    "since": ["", "2099-01-01", "2099-01-01T00:00:00", "now", "NaN", "1e400", "0", "4070908800000", LONG,
              "2099-13-01T00:00:00Z", "２０99-01-01T00:00:00Z", "2099-01-01T00:00:00 00:00", "2099-01-01T00:00:00Z\x00",
              "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z"],
    "limit": ["", "0", "-1", "201", "1000", "1.0", "01", "+1", " 1", "1 ", "NaN", "1e2", "1e400", "１０", "0x10",
              "1\x00", LONG],
    "cursor": ["", "x", "-", "1", "1-", "-1", "1-x", "1-\x00", "1-1", "1-1-1-1", "NaN-ord_l1_0000000000000", "live-0x1",
               "01-ord_l1_0000000000000", "+1-ord_l1_0000000000000", "１-ord_l1_0000000000000", "1e3-live:1-1-1",
               "253402300800000-ord_l1_0000000000000", "253402300800000-live:1-1-1", "1-live:01-1-1", "1-block:1-1-1",
               "1-live:1-1-1-1", "live-", "live-01", "x-1", "live-" + "9" * 19, "1-" + "o" * 100, LONG],
    "kind": ["", "gift", "DEPOSIT", "deposit,", "deposit withdrawal", "deposit\x00", "x" * 4000],
}  # fmt: skip
WRONG["until"] = WRONG["since"]
#: Values of which one is read.
GOOD = {
    "symbol": "EURUSD",
    "status": "OPEN,CLOSED",
    "limit": "200",
    "since": "2020-01-01T00:00:00Z",
    "until": "9999-12-31T23:59:59.999Z",
    "kind": "deposit,profit",
}
#: A cursor of each list is none of the others'.
CURSORS = {
    "1-ord_l1_0000000000000": ("/api/orders", f"{STRATEGY}/{{strategy}}", f"{FOLLOWER}/{{follower}}"),
    "1-live:1-1-1": ("/api/deals", "/api/accounts/live/{live}/transfers"),
    "live-1": ("/api/accounts",),
}


def encoded(value: str) -> str:
    return quote(value, safe="", errors="surrogatepass")


@pytest.fixture
def paths(desk: Desk) -> dict[str, str]:
    """Each path with ids that are there."""
    named = {
        "order": desk.buy(),
        "live": desk.accounts[LIVE].pk,
        "strategy": desk.accounts[STRATEGY_PROVIDER].pk,
        "follower": desk.accounts[COPY_FOLLOWER].pk,
    }
    return {path: path.format(**named) for path in PATHS}


def good_for(desk: Desk, path: str, name: str) -> str:
    values = {
        **GOOD,
        **desk.at(LIVE),
        "order_id": f"ord_l{desk.accounts[LIVE].pk}_0000000000000",
        "cursor": next((cursor for cursor, lists in CURSORS.items() if path in lists), ""),
    }
    if path == "/api/accounts":
        values["status"] = "active"
    return str(values[name])


@pytest.mark.parametrize("path", PATHS)
def test_values_that_are_refused_and_those_that_are_not(
    desk: Desk, paths: dict[str, str], path: str, subtests: pytest.Subtests
) -> None:
    url, names = paths[path], PATHS[path]
    keys, versions = desk.book.keys(), desk.versions()
    for name in names:
        for value in WRONG[name]:
            with subtests.test(name, value=value[:40]):
                answer = desk.get(f"{url}?{name}={encoded(value)}", by="dealer")
                assert told(answer) == (400, "invalid_fields")
                assert list(answer.json()["fields"]) == [name]
        with subtests.test("twice", name=name):
            good = good_for(desk, path, name) if name != "cursor" else "x"
            answer = desk.get(f"{url}?{name}={good}&{name}={good}", by="dealer")
            assert told(answer) == (400, "invalid_fields")
            assert answer.json()["fields"] == {name: "given twice"}
    for name in ("balance", "format", "", "\x00", "__class__", "$ne", "limit[]", "x" * 1000, "Symbol", "\ud800"):
        with subtests.test("unknown", name=name[:20]):
            assert told(desk.get(f"{url}?{encoded(name)}=1", by="dealer")) == (400, "unknown_field")
    with subtests.test("very many"):
        many = "&".join(f"a{number}=1" for number in range(1001))
        assert told(desk.get(f"{url}?{many}", by="dealer")) == (400, "unknown_field")
    with subtests.test("what is named without a value"):
        answer = desk.get(f"{url}?{names[0] if names else 'x'}", by="dealer")
        assert told(answer) == (400, "invalid_fields" if names else "unknown_field")
    with subtests.test("all that is right"):
        query = "&".join(f"{name}={encoded(good_for(desk, path, name))}" for name in names)
        for asked in (query, f"{query}&", ""):
            answer = desk.get(f"{url}?{asked}", by="dealer")
            assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert desk.book.keys() == keys
    assert desk.versions() == versions


def test_half_an_account_is_told_what_is_missing(desk: Desk, subtests: pytest.Subtests) -> None:
    for path in ("/api/orders", "/api/deals", "/api/quotes", "/api/instruments"):
        for given, missing in (ACCOUNT, ACCOUNT[::-1]):
            for by in ("trader", "dealer"):
                with subtests.test(path=path, given=given, by=by):
                    answer = desk.get(f"{path}?{given}={desk.at(LIVE)[given]}", by=by)
                    assert told(answer) == (400, "missing_fields")
                    assert answer.json()["fields"] == {missing: "missing"}


def test_a_cursor_of_one_list_is_none_of_another(desk: Desk, paths: dict[str, str], subtests: pytest.Subtests) -> None:
    for cursor, lists in CURSORS.items():
        for path in LISTS:
            with subtests.test(path=path, cursor=cursor):
                answer = desk.get(f"{paths[path]}?cursor={cursor}", by="dealer")
                assert answer.status_code == (200 if path in lists else 400)


def test_nobody_reads_without_a_valid_token(desk: Desk, paths: dict[str, str], subtests: pytest.Subtests) -> None:
    desk.tokens |= (bad := bad_tokens())
    principals.clear()
    for by in (None, *bad):
        for path in paths.values():
            cache.clear()  # an address that sends too many of them is told so instead
            with subtests.test(by=by, path=path):
                assert told(desk.get(path, by=by)) == (401, "not_authenticated")
                assert told(desk.get(f"{path}?balance=1", by=by)) == (401, "not_authenticated")


def test_other_methods_are_told_in_json(desk: Desk, paths: dict[str, str], subtests: pytest.Subtests) -> None:
    for path in paths.values():
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            if (method, path[-10:]) == ("POST", "/transfers"):
                continue
            with subtests.test(path=path, method=method):
                headers = {"Authorization": f"Bearer {desk.tokens['dealer']}"}
                answer = desk.client.generic(method, path, b"{}", headers=headers)
                assert told(answer) == (405, "method_not_allowed")
                assert "GET" in answer["Allow"]


@pytest.mark.parametrize("charset", ["bz2_codec", "rot13", "idna", "utf-16", "undefined", "bogus"])
def test_no_charset_decodes_a_query_string(desk: Desk, charset: str) -> None:
    """As a server hands the request over; Django would decode by what the media type says, though nothing was sent."""
    told_of: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/orders",
        "QUERY_STRING": "symbol=%45URUSD",
        "CONTENT_TYPE": f"application/json; charset={charset}",
        "HTTP_AUTHORIZATION": f"Bearer {desk.tokens['trader']}",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": BytesIO(b""),
        "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": "http",
    }
    answer = b"".join(application(environ, lambda status, headers, error=None: told_of.append(status)))

    assert told_of == ["200 OK"]
    assert answer == b'{"ok":true,"orders":[],"next_cursor":null}'
