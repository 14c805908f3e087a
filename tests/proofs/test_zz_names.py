import pytest
from tests.proofs.steps import watched
from tests.fixtures.floor import id_of
from workers.queues.record import RecordWorker
from tests.fixtures.book import forget
from django.db import connections
def test_names(floor):
    floor.close(id_of(floor.open("0.1")))
    forget(); connections.close_all()
    names=[]
    with watched(names.append):
        RecordWorker("x").run(once=True)
    print("\n".join(names))
    names.clear(); forget(); connections.close_all()
    print("-----")
    from tests.proofs.test_kills import Levels, watch_one_tick
    levels=Levels(floor)
    forget(); connections.close_all()
    with watched(names.append):
        watch_one_tick(levels.touch)()
    print("\n".join(names))
