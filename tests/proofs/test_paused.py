"""A process that is stopped between load and commit, and goes on when the price it decided on is old."""

import os
import signal
from collections.abc import Callable
from decimal import Decimal
from itertools import count

import pytest

from accounts.models import Instrument
from copytrading.kernel.ids import LIVE
from copytrading.kernel.rejections import Rejection
from orders.book import quotes, terms
from orders.messages import Done
from tests.fixtures.floor import Floor
from tests.fixtures.waiting import eventually
from tests.proofs.by_hand import sweep
from tests.proofs.forking import Child, child
from tests.proofs.steps import watched

D = Decimal
AGE_MS = 400


def pausing_at_the_commit(run: Callable[[], object]) -> Callable[[], None]:
    """`run`, in a process that stops itself before it sends its first script: the commit."""

    def paused() -> None:
        scripts = count()

        def stop(step: str) -> None:
            if step.startswith("EVALSHA") and next(scripts) == 0:
                os.kill(os.getpid(), signal.SIGSTOP)

        with watched(stop):
            run()

    return paused


def stopped(process: Child) -> None:
    """Returns when it has stopped itself."""
    pid, status = os.waitpid(process.pid, os.WUNTRACED)
    assert pid == process.pid
    assert os.WIFSTOPPED(status), "it never came to its commit"


@pytest.fixture
def paused(floor: Floor) -> Child:
    """An open, decided on 1.1003, stopped, with its price grown old meanwhile; its key is `paused`."""
    floor.money("deposit", "5", key="first")
    Instrument.objects.update(price_age_ms=AGE_MS)
    terms.renew()
    decided_on = floor.quote()
    process = child(pausing_at_the_commit(lambda: floor.open("0.5", key="paused")))
    stopped(process)
    eventually(lambda: quotes.read(floor.book.market, ["EURUSD"]).now_ms > decided_on.stamp_ms + AGE_MS)
    return process


def ends(floor: Floor, process: Child) -> None:
    """It goes on, and both sides agree."""
    os.kill(process.pid, signal.SIGCONT)
    assert process.ended() is False
    sweep()
    floor.record()
    assert floor.differences() == []


def test_it_decides_anew_on_a_price_of_now(floor: Floor, paused: Child) -> None:
    Instrument.objects.update(price_age_ms=86_400_000)
    terms.renew()
    floor.quote("1.1010", "1.1012")
    ends(floor, paused)
    (order,) = floor.state(LIVE).orders.values()
    assert order.open_price == D("1.1013")
    told = floor.open("0.5", key="paused")
    assert isinstance(told, Done)
    assert (told.replayed, told.answer["order"]["open_price"]) == (True, "1.1013")


def test_without_one_nothing_is_done(floor: Floor, paused: Child) -> None:
    before = floor.state(LIVE).portfolio
    ends(floor, paused)
    assert floor.state(LIVE).portfolio == before
    told = floor.open("0.5", key="paused")
    assert isinstance(told, Rejection)
    assert told.reason.name == "stale_price"
