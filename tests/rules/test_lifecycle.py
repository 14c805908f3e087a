"""Every pair of status and event: what it leads to, or that it raises."""

from itertools import product
from typing import get_args

import pytest

from copytrading.kernel.errors import InvariantBroken
from orders.rules.facts import Status
from orders.rules.lifecycle import LIVE, TERMINAL, Event, next_status

STATUSES = (None, *get_args(Status))
EVENTS = get_args(Event)

# "." raises. Columns are the events in the order of their definition.
EXPECTED = {
    None: "QUEUED PENDING_QUEUED PENDING . . OPEN . . . . .",
    "QUEUED": ". . . . . OPEN . . CANCELLED REJECTED .",
    "PENDING_QUEUED": ". . PENDING . . OPEN . . CANCELLED REJECTED .",
    "PENDING": ". . . PENDING PENDING OPEN . . CANCELLED . PENDING",
    "OPEN": ". . . . OPEN OPEN OPEN CLOSED OPEN . OPEN",
    "CLOSED": ". . . . . . . . . . .",
    "CANCELLED": ". . . . . . . . . . .",
    "REJECTED": ". . . . . . . . . . .",
}


def test_events_stand_in_the_order_of_the_columns():
    assert EVENTS == (
        "sent", "pending_sent", "placed", "modified", "protected", "filled",
        "reduced", "closed", "cancelled", "rejected", "request_refused",
    )  # fmt: skip


@pytest.mark.parametrize(("status", "event"), list(product(STATUSES, EVENTS)))
def test_every_pair_of_status_and_event(status, event):
    expected = EXPECTED[status].split()[EVENTS.index(event)]
    if expected == ".":
        with pytest.raises(InvariantBroken, match=event):
            next_status(status, event)
    else:
        assert next_status(status, event) == expected


def test_a_status_is_either_live_or_terminal():
    assert set(get_args(Status)) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
