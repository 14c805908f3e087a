"""Workers run by hand, to the end of what there is to do."""

from orders.book.connection import ledger
from orders.book.work import WorkStream
from workers.queues.record import RecordWorker
from workers.sweeper import Sweeper


def sweep() -> None:
    """One pass of a sweeper that has just started."""
    sweeper = Sweeper("by_hand")
    sweeper.prepare()
    while sweeper.step():
        pass


def work_off() -> None:
    """Every announcement is dealt with, also those that dead workers took."""
    RecordWorker("by_hand").run(once=True)
    assert WorkStream(ledger(), "record", "by_hand").length() == 0
