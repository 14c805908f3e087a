"""Rows a second into PostgreSQL: the recorder with all it does, against Django's `bulk_create` of the same rows.

    python -m benchmarks.recorder
"""

from time import perf_counter
from typing import Any

from benchmarks.commits import decided
from benchmarks.place import Place, place
from benchmarks.table import Row, show

ACCOUNTS = 2_000
#: As many accounts as the worker takes at once.
AT_ONCE = 200
TURNS = 3
TABLES = "orders_journalentry, orders_deal, orders_transfer, orders_order"


def measure(at: Place) -> list[Row]:
    _record(at)  # the deposits
    ours, bulk = [], []
    for turn in range(TURNS):
        _commit(at, f"recorded{turn}")
        rows, seconds = _record(at)
        ours.append(rows / seconds)
        rows, seconds = _bulk_create()
        bulk.append(rows / seconds)
    rate, limit = max(ours), max(bulk)
    return [
        Row(
            "recorder", "rows a second: journals read, parsed, written, marked, trimmed", rate, "1/s", limit,
            "bulk_create of the same rows, ready made", rate / limit, ">= 3",
        )
    ]  # fmt: skip


def _commit(at: Place, key: str) -> None:
    from orders.book.account import commit_call
    from orders.book.connection import ledger

    for begin in range(0, len(at.accounts), AT_ONCE):
        batch = decided(at.accounts[begin : begin + AT_ONCE], key)
        ledger().run([commit_call(*each) for each in batch])


def _record(at: Place) -> tuple[int, float]:
    """The tables are emptied first, so that each turn appends to as little as the other side."""
    from orders import recorder

    _empty()
    began = perf_counter()
    for begin in range(0, len(at.accounts), AT_ONCE):
        done = recorder.record(at.accounts[begin : begin + AT_ONCE])
        assert not done.stuck
    seconds = perf_counter() - began
    return _rows(), seconds


def _bulk_create() -> tuple[int, float]:
    """What the recorder has just written, read back and written again, with the same conflicts provided for."""
    from django.db import transaction

    from orders import recorder
    from orders.models import Deal, JournalEntry, Order, Transfer

    made: list[tuple[Any, list[Any]]] = [(model, list(model.objects.all())) for model in (JournalEntry, Deal, Transfer)]
    orders = list(Order.objects.all())
    _empty()
    changeable = [name for name in recorder._ORDER if name != "order_id"]
    conflicts: dict[str, Any] = {"update_conflicts": True, "unique_fields": ["order_id"], "update_fields": changeable}
    began = perf_counter()
    share = AT_ONCE * 2
    for begin in range(0, max(len(rows) for _, rows in made), share):
        with transaction.atomic():
            for model, rows in made:
                model.objects.bulk_create(_unsaved(rows[begin : begin + share]))
            Order.objects.bulk_create(orders[begin : begin + share], **conflicts)
    return _rows(), perf_counter() - began


def _unsaved(rows: list[Any]) -> list[Any]:
    for row in rows:
        if not isinstance(row.pk, str):
            row.pk = None
        row._state.adding = True
    return rows


def _rows() -> int:
    from orders.models import Deal, JournalEntry, Order, Transfer

    return sum(model.objects.count() for model in (JournalEntry, Deal, Transfer, Order))


def _empty() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES}")


if __name__ == "__main__":
    with place(ACCOUNTS) as made:
        show(measure(made))
