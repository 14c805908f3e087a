"""Requests as a WSGI server hands them over, before Django has seen them."""

import json
from io import BytesIO
from typing import Any

import pytest

from copytrading.kernel.ids import LIVE
from copytrading.wsgi import application
from tests.fixtures.desk import EXECUTE, Desk

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5"}


def call(desk: Desk, body: bytes, **environ: Any) -> tuple[str, dict[str, Any]]:
    """The status line and the answer of a POST of `body`, with whatever else the server says of it."""
    given = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": EXECUTE,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {desk.tokens['trader']}",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        **environ,
    }
    told: list[str] = []
    answer = application(given, lambda status, headers, error=None: told.append(status))
    return told[0], json.loads(b"".join(answer))


def test_a_body_in_chunks_is_read(desk: Desk) -> None:
    body = json.dumps({**desk.at(LIVE), **BUY}).encode()

    status, answer = call(desk, body, HTTP_TRANSFER_ENCODING="chunked")

    assert status == "201 Created"
    assert answer["order"]["order_status"] == "OPEN"


def test_a_body_in_chunks_is_read_up_to_the_limit(desk: Desk) -> None:
    stream = BytesIO(b'{"a": "' + b"x" * 1_000_000 + b'"}')

    status, answer = call(desk, b"", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": stream})

    assert (status, answer["reason"]) == ("413 Request Entity Too Large", "body_too_large")
    assert stream.tell() == 64 * 1024 + 1


def test_a_body_in_chunks_whose_end_the_server_does_not_tell_is_not_read(desk: Desk) -> None:
    stream = BytesIO(b"{}")

    status, answer = call(
        desk, b"", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": stream, "wsgi.input_terminated": False}
    )

    assert (status, answer["reason"]) == ("400 Bad Request", "invalid_json")
    assert stream.tell() == 0


def test_a_body_that_ended_early_is_not_carried_out(desk: Desk) -> None:
    body = json.dumps({**desk.at(LIVE), **BUY}).encode()
    before = desk.versions()

    status, answer = call(desk, body, CONTENT_LENGTH="500")

    assert (status, answer["reason"]) == ("400 Bad Request", "invalid_json")
    assert "ended early" in answer["detail"]
    assert desk.versions() == before
    assert call(desk, body, CONTENT_LENGTH=str(len(body)))[0] == "201 Created"


@pytest.mark.parametrize("encoding", ["bogus", "bz2_codec", "undefined", "idna", "unicode_escape", "", "\xff"])
def test_a_media_type_that_names_an_unknown_encoding_is_none(desk: Desk, encoding: str) -> None:
    for name in ("charset", "x"):
        content_type = f"application/json; {name}*={encoding}'en'%ff"

        status, answer = call(desk, b"{}", CONTENT_TYPE=content_type, CONTENT_LENGTH="2")

        assert status in ("415 Unsupported Media Type", "400 Bad Request")
        assert answer["reason"] in ("unsupported_media_type", "missing_fields")
