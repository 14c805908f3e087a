"""The broker's own prices: filled at once and whole, at the client's price of this moment."""

from decimal import Decimal
from typing import Literal

from orders.messages import Report
from orders.rules.facts import Order, opposite


class LocalVenue:
    def execute(self, order: Order, entry: Literal["in", "out"], lots: Decimal, price: Decimal, at_ms: int) -> Report:
        side = order.side if entry == "in" else opposite(order.side)
        return Report(order.order_id, entry, side, lots, price, at_ms)
