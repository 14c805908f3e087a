"""What can become of an order: one table, (status, event) -> status.

An order's status says what the client holds. What is asked of the provider and not yet answered
is a request with a life of its own and shows here only once it is answered.
"""

from typing import Final, Literal

from copytrading.kernel.errors import InvariantBroken
from orders.rules.facts import Status

Event = Literal[
    "sent",  # a market order went to the provider
    "pending_sent",  # a limit or stop order went to the provider
    "placed",  # it rests, here or (acknowledged) at the provider
    "modified",  # its resting price, lots or expiry are new
    "protected",  # its stop loss or take profit was set, replaced or taken away
    "filled",  # some or all of its lots were filled
    "reduced",  # some of its open lots were closed
    "closed",  # the last of its open lots were closed
    "cancelled",  # what had not been filled never will be
    "rejected",  # the provider refused the order itself
    "request_refused",  # the provider refused a later request about it: to modify, cancel, close or protect
]

TERMINAL: Final[frozenset[Status]] = frozenset({"CLOSED", "CANCELLED", "REJECTED"})
LIVE: Final[frozenset[Status]] = frozenset({"QUEUED", "PENDING_QUEUED", "PENDING", "OPEN"})

_NEXT: Final[dict[tuple[Status | None, Event], Status]] = {
    # None: not born.
    (None, "sent"): "QUEUED",
    (None, "pending_sent"): "PENDING_QUEUED",
    (None, "placed"): "PENDING",
    (None, "filled"): "OPEN",  # a local market order is filled in the commit that gives birth to it
    ("QUEUED", "filled"): "OPEN",
    ("QUEUED", "cancelled"): "CANCELLED",  # immediate-or-cancel, and nothing could be filled
    ("QUEUED", "rejected"): "REJECTED",
    ("PENDING_QUEUED", "placed"): "PENDING",
    ("PENDING_QUEUED", "filled"): "OPEN",  # the fill overtook the acknowledgement
    ("PENDING_QUEUED", "cancelled"): "CANCELLED",  # and so can a cancel
    ("PENDING_QUEUED", "rejected"): "REJECTED",
    ("PENDING", "modified"): "PENDING",
    ("PENDING", "protected"): "PENDING",
    ("PENDING", "filled"): "OPEN",
    ("PENDING", "cancelled"): "CANCELLED",  # asked for, expired, or not to be carried when it fired
    ("PENDING", "request_refused"): "PENDING",
    ("OPEN", "filled"): "OPEN",  # a further part of its leaves
    ("OPEN", "protected"): "OPEN",
    ("OPEN", "reduced"): "OPEN",
    ("OPEN", "closed"): "CLOSED",
    ("OPEN", "cancelled"): "OPEN",  # only its leaves end; what was filled stays open
    ("OPEN", "request_refused"): "OPEN",  # a refused close leaves the position as it was
    # A terminal status has no row: what comes late is recorded beside the order and never moves it.
}


def next_status(status: Status | None, event: Event) -> Status:
    """The status after `event`; None is an order not yet born. A pair outside the table is a bug of the caller."""
    try:
        return _NEXT[status, event]
    except KeyError:
        raise InvariantBroken(
            f"an order that is {status or 'not born'} cannot be {event}; "
            "refuse the command, or book the report, before asking for a new status"
        ) from None
