"""Where a flow is executed. A venue takes an order and answers with a report, now or later."""

from decimal import Decimal
from typing import Literal, Protocol

from copytrading.kernel.rejections import Reason, Rejection
from orders.messages import Report
from orders.rules.facts import Flow, Order
from orders.venues.local import LocalVenue


class Venue(Protocol):
    """`execute` trades `lots` of an order, in or out, at the client's `price` of this moment."""

    def execute(
        self, order: Order, entry: Literal["in", "out"], lots: Decimal, price: Decimal, at_ms: int
    ) -> Report: ...


_LOCAL = LocalVenue()


def venue_for(flow: Flow) -> Venue | Rejection:
    """The venue of an order's stamped flow."""
    if flow == "local":
        return _LOCAL
    return Rejection(Reason.provider_unavailable, "The account is routed to the provider, and no provider link exists.")
