"""Lists asked for as a client asks, page by page, and a recorder that comes as far as a test lets it."""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

import pytest

from copytrading.kernel.ids import AccountRef
from orders import recorder
from tests.fixtures.desk import Desk

Row = dict[str, Any]


def ask(desk: Desk, path: str, by: str | None = "trader", **query: Any) -> Any:
    return desk.get(f"{path}?{urlencode(query)}" if query else path, by=by)


def page(desk: Desk, path: str, by: str = "trader", **query: Any) -> tuple[list[Row], str | None]:
    """The rows of one page, whatever they are called, and the cursor of the next."""
    answer = ask(desk, path, by, **query)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    (name,) = told.keys() - {"ok", "next_cursor", "as_of"}
    return told[name], told.get("next_cursor")


def rows(desk: Desk, path: str, by: str = "trader", **query: Any) -> list[Row]:
    """What one page holds that is the last."""
    found, cursor = page(desk, path, by, **query)
    assert cursor is None
    return found


def walk(desk: Desk, path: str, by: str = "trader", limit: int = 2, **query: Any) -> list[Row]:
    """Everything, by the cursors. Each page but the last is full."""
    found, cursor = page(desk, path, by, limit=limit, **query)
    while cursor:
        assert len(found) % limit == 0
        more, cursor = page(desk, path, by, limit=limit, cursor=cursor, **query)
        assert 0 < len(more) <= limit
        found += more
    return found


def refused(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["reason"]


def account_path(desk: Desk, kind: str, rest: str = "") -> str:
    return f"/api/accounts/{kind}/{desk.accounts[kind].pk}{rest}"


def refs(desk: Desk) -> list[AccountRef]:
    return [account.ref for account in desk.accounts.values()]


def record_some(accounts: Collection[AccountRef], entries: int) -> None:
    """Folds in the next `entries` of each journal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "ENTRIES_AT_ONCE", entries)
        recorder.record(accounts)


def record_all(accounts: Collection[AccountRef]) -> None:
    while recorder.record(accounts).entries:
        pass
