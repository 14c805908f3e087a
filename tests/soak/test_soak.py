"""A short soak: every kind of fault once, and nothing is different; then what is different is noticed."""

from collections.abc import Iterator

import pytest

from tests.fixtures import folders
from tests.fixtures.stack import Stack, free_port
from tests.proofs import power
from tests.soak.faults import possible
from tests.soak.site import Site
from tests.soak.soak import Soak

SEED, RATE = 4, 10

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def soak() -> Iterator[Soak]:
    site = Site(Stack(folders.fresh(), free_port()), power.CAN_BE_CUT)
    try:
        site.open_up()
        yield Soak(site, SEED, RATE, print)
    finally:
        site.stack.remove()


def test_every_fault_once_and_no_difference(soak: Soak) -> None:
    soak.each_once()
    assert soak.differences == []
    assert soak.faults == dict.fromkeys(possible(soak.site), 1)
    assert soak.truth.births > 20
    assert soak.truth.others > 20
    notice_what_differs(soak)


def notice_what_differs(soak: Soak) -> None:
    """Otherwise finding none would mean nothing. Of what is told here nothing happened, or it was never told."""
    truth, query = soak.truth, soak.site.query
    order = {"order_id": "ord_l1_NEVER", "user_type": "live", "user_id": 1, "version": 999_999}
    truth.acknowledge("dealer", "never", {"ok": True, "order": order}, birth=True)
    truth.acknowledge("dealer", "never", {"ok": True, "order": {**order, "version": 5}}, birth=True)
    truth.acknowledge_move("soak-never", "transfer", "5")
    forgotten, (kind, _) = next(iter(truth.moves.items()))
    del truth.moves[forgotten]
    soak.site.query("UPDATE live_users SET balance = balance + 1")
    told = "\n".join(truth.differences(query))
    for part in (
        "key never of dealer was answered",
        "ord_l1_NEVER, acknowledged at version 999999, is not recorded",
        "live:1 version 999999 was acknowledged 1 times more than it is recorded",
        "transfer soak-never of 5 lacks 2 of 2 entries",
        f"{kind} {forgotten} of ",
        "live:1 has a balance of ",
    ):
        assert part in told, told
    assert len(told.splitlines()) == 6
