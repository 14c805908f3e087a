"""Every worker on a ledger of three nodes."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest

from copytrading.kernel.ids import DEMO, LIVE
from orders.book import keys
from orders.book.connection import ledger
from orders.models import Deal
from tests.fixtures.floor import Floor, id_of
from tests.fixtures.watch import Watch
from workers import sweeper
from workers.monitors.margin import MarginMonitor
from workers.queues.record import RecordWorker
from workers.sweeper import Sweeper


@pytest.mark.parametrize("book", ["cluster"], indirect=True)
def test_workers_on_a_cluster(floor: Floor, watch_on: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.book.work.BLOCK_MS", 20)
    monkeypatch.setattr(sweeper, "_PAUSE_S", 0.0)
    watch = watch_on(floor)
    stopped = [id_of(floor.open(account=kind, stop_loss=D("1.0950"))) for kind in floor.accounts]
    resting = [id_of(floor.place("1.0980", account=kind)) for kind in floor.accounts]
    watch.tick("1.0977", "1.0979")
    watch.tick("1.0951", "1.0953")
    assert {floor.order(order_id).reason for order_id in stopped} == {"stop_loss"}
    assert {floor.order(order_id).open_price for order_id in resting} == {D("1.0980")}
    assert floor.transfer(DEMO, "100").answer["state"] == "arrived"
    MarginMonitor("test").run(once=True)
    # -265.00 by the stop, 100.00 sent away, and half a lot floats at -150.00.
    assert floor.book.market.hget(keys.user_margin(floor.ref(LIVE)), "equity") == "9485"
    RecordWorker("test").run(once=True)
    Sweeper("test").run(once=True)
    assert Deal.objects.count() == 12
    assert ledger().run([(keys.QUEUE_RECORD, ("XLEN", keys.QUEUE_RECORD))]) == [0]
    assert floor.differences() == []
