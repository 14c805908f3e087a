"""What must be so in the record after any day, whatever happened on it. Each function gives what is not so."""

from collections.abc import Callable, Iterable
from typing import Any

Query = Callable[[str], list[tuple[Any, ...]]]

_TWICE = """
    SELECT account, command_id, count(*) FROM orders_journalentry WHERE command_id <> ''
    GROUP BY 1, 2 HAVING count(*) > 1
    """
_UNLIKE_THEIR_DEALS = """
    SELECT o.order_id FROM orders_order o LEFT JOIN orders_deal d USING (order_id)
    GROUP BY o.order_id
    HAVING coalesce(sum(d.lots) FILTER (WHERE d.entry = 'in'), 0) <> o.filled_lots
        OR coalesce(sum(d.lots) FILTER (WHERE d.entry = 'out'), 0) <> o.filled_lots - o.open_lots
        OR count(*) FILTER (WHERE d.entry = 'in') > 1
        OR coalesce(sum(d.profit), 0) <> o.profit
    """


def lost(query: Query, acknowledged: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Orders that are not recorded, at least at the version they were acknowledged with."""
    recorded: dict[str, int] = dict(query("SELECT order_id, version FROM orders_order"))
    return [(order_id, version) for order_id, version in acknowledged if recorded.get(order_id, 0) < version]


def done_twice(query: Query) -> list[tuple[Any, ...]]:
    """Commands that were carried out more than once, and orders that are not the sum of their deals."""
    return [*query(_TWICE), *query(_UNLIKE_THEIR_DEALS)]
