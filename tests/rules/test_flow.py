"""The flow rule, row by row."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.flow import flow_for, route

REFUSED = Reason.unsupported_flow
OTHERS = (None, "", "  ", "other", "*", "rock barclays")

ROWS = [
    *(("demo", setting, "local") for setting in ("rock", "barclays", *OTHERS)),
    ("live", "rock", "local"),
    ("live", "barclays", "provider"),
    *(("live", setting, REFUSED) for setting in OTHERS),
    *((kind, "rock", "local") for kind in ("strategy_provider", "copy_follower")),
    *((kind, "barclays", "provider") for kind in ("strategy_provider", "copy_follower")),
    *((kind, setting, "provider") for kind, setting in product(("strategy_provider", "copy_follower"), OTHERS)),
    *(
        (kind, setting, REFUSED)
        for kind, setting in product(("", "admin", "*", "lives"), ("rock", "barclays", *OTHERS))
    ),
]


def answer(flow: str | Rejection) -> str | Reason:
    return flow.reason if isinstance(flow, Rejection) else flow


@pytest.mark.parametrize(("kind", "setting", "expected"), ROWS)
@pytest.mark.parametrize("written", [str, str.upper, str.title, " {} ".format, "\t{}\n".format])
def test_flow_of_every_row_however_it_is_written(kind, setting, expected, written):
    assert answer(flow_for(written(kind), None if setting is None else written(setting))) == expected


@given(kind=st.text(), setting=st.none() | st.text())
def test_flow_is_total(kind, setting):
    assert answer(flow_for(kind, setting)) in ("local", "provider", REFUSED)


NOT_PERMITTED = Reason.routing_not_permitted


@pytest.mark.parametrize(
    ("kind", "setting", "asked", "owner", "staff"),
    [
        ("live", "rock", None, "local", "local"),
        ("live", "rock", " ", "local", "local"),
        ("live", "rock", "ROCK ", "local", "local"),
        ("live", "rock", "barclays", NOT_PERMITTED, "provider"),
        ("live", "barclays", "rock", NOT_PERMITTED, "local"),
        ("live", "", None, REFUSED, REFUSED),
        ("live", "", "rock", NOT_PERMITTED, "local"),
        ("live", "", "elsewhere", REFUSED, REFUSED),
        ("live", "rock", "elsewhere", NOT_PERMITTED, REFUSED),
        ("demo", "rock", "barclays", "local", "local"),
        ("demo", "", "rock", "local", "local"),
        ("strategy_provider", "", "barclays", "provider", "provider"),
        ("strategy_provider", "", "rock", NOT_PERMITTED, "local"),
        ("copy_follower", "barclays", "rock", NOT_PERMITTED, "local"),
        ("copy_follower", "rock", None, "local", "local"),
        ("robot", "rock", "rock", REFUSED, REFUSED),
    ],
)
def test_only_staff_route_an_order_elsewhere(kind, setting, asked, owner, staff):
    assert answer(route(kind, setting, asked, staff=False)) == owner
    assert answer(route(kind, setting, asked, staff=True)) == staff


def test_a_refused_routing_names_its_field():
    refused = route("live", "rock", "barclays", staff=False)
    assert isinstance(refused, Rejection)
    assert list(refused.fields) == ["sending_orders"]
