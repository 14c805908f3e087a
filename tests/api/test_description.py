"""The description and its page: open to everybody, so cheap, strict, and never at fault."""

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

SCHEMA, PAGE = "/api/schema", "/api/docs"


def told(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["reason"]


def test_it_is_drawn_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get(SCHEMA)
    assert first.json()["openapi"].startswith("3.")
    monkeypatch.delattr(SchemaGenerator, "get_schema")

    again = client.get(SCHEMA)

    assert (again.status_code, again.content) == (200, first.content)
    assert again["Cache-Control"] == "no-cache"


def test_who_has_it_is_not_sent_it_again(client: Client) -> None:
    etag = client.get(SCHEMA)["ETag"]

    answer = client.get(SCHEMA, headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert client.get(SCHEMA, headers={"If-None-Match": '"older"'}).status_code == 200


@pytest.mark.parametrize("path", [SCHEMA, PAGE])
@pytest.mark.parametrize("query", ["version=%0A", "version=%0d%0aX:y", "version=1", "format=x", "lang=en", "x"])
def test_it_takes_no_parameters(client: Client, path: str, query: str) -> None:
    assert told(client.get(f"{path}?{query}")) == (400, "unknown_field")


@pytest.mark.parametrize("path", [SCHEMA, PAGE])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_it_is_read_only(client: Client, path: str, method: str) -> None:
    answer = client.generic(method, path, b"x")

    assert told(answer) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD"


def test_the_page_shows_the_description(client: Client) -> None:
    page = client.get(PAGE)

    assert page["Content-Type"].startswith("text/html")
    assert SCHEMA in page.content.decode()
