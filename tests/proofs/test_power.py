"""The ledger loses its power under load: with `always` nothing that was acknowledged is gone, with `everysec` it is.

The second is the control: it shows that this way of cutting the power takes what was not on the disk.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from copytrading.kernel.ids import account_of
from tests.fixtures.servers import Stand
from tests.fixtures.waiting import eventually
from tests.proofs.day import PATIENCE_S, RECORDED, Day
from tests.proofs.power import PoweredLedger, needs_compiler

pytestmark = [needs_compiler, pytest.mark.timeout(300)]

#: Several commands' worth. Where nothing is ever at risk the cut comes after this long.
BYTES_AT_RISK, LONGEST_WAIT_S = 20_000, 2.0
CUTS = 6


@contextmanager
def trading(stand: Stand, appendfsync: str) -> Iterator[tuple[Day, PoweredLedger]]:
    """A day with its recorder and its sweeper, on a ledger that can lose its power."""
    ledger = PoweredLedger(stand.folder / "powered", appendfsync=appendfsync)
    stand.ledger = ledger
    ledger.start()
    try:
        day = Day(stand, stand.folder / "said")
        day.start("sweeper", "worker_record")
        day.begin()
        yield day, ledger
    finally:
        stand.end_children()
        ledger.kill()


def cut(day: Day, ledger: PoweredLedger) -> Counter[str]:
    """The power goes when most is at risk, and comes back. How many acknowledged commands each account has lost."""
    until = time.monotonic() + LONGEST_WAIT_S
    while ledger.at_risk() < BYTES_AT_RISK and time.monotonic() < until:
        pass
    ledger.cut_power()
    acks = [(str(account_of(line["done"])), int(line["version"])) for line in day.acks()]
    ledger.start()
    with closing(ledger.client()) as client:
        there = {name: int(client.hget(f"user_portfolio:{{{name}}}", "version") or 0) for name, _ in acks}
    return Counter(name for name, version in acks if version > there[name])


def leave_alone(_: PoweredLedger) -> None:
    pass


def begin_to_rewrite(ledger: PoweredLedger) -> None:
    """The cut comes when the new files are there, and perhaps not yet the ones that count."""
    with closing(ledger.client()) as client:
        client.bgrewriteaof()


def rewrite_to_the_end(ledger: PoweredLedger) -> None:
    """The cut meets files that were written under other names."""
    with closing(ledger.client()) as client:
        before = sorted((ledger.folder / "appendonlydir").iterdir())
        client.bgrewriteaof()
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, limit_s=PATIENCE_S)
        eventually(lambda: sorted((ledger.folder / "appendonlydir").iterdir()) != before, limit_s=PATIENCE_S)


def older_than_the_record(day: Day) -> bool:
    return any(held < recorded for held, recorded in day.unrecorded().values())


def test_with_always_nothing_acknowledged_is_lost(stand: Stand) -> None:
    """Each time the sweeper opens the ledger again and trading goes on; also while and after it rewrote its file."""
    with trading(stand, "always") as (day, ledger):
        for rewrite in (leave_alone, begin_to_rewrite, rewrite_to_the_end):
            day.goes_on(30)
            rewrite(ledger)
            assert cut(day, ledger) == {}
        day.goes_on(30)
        day.end()
        eventually(day.at_rest, limit_s=PATIENCE_S, poll_s=0.2)
        day.check_the_record()
        assert day.command("audit") == 0, day.log("audit")


def test_with_everysec_acknowledged_commands_are_lost_and_the_loss_is_noticed(stand: Stand) -> None:
    """A ledger that is older than the record stays closed, until it was rebuilt from it."""
    stand.settings["ALLOW_VOLATILE_LEDGER"] = "1"
    with trading(stand, "everysec") as (day, ledger):
        day.grows(RECORDED)
        lost = 0
        for _ in range(CUTS):
            day.goes_on(30)
            lost += cut(day, ledger).total()
            if older_than_the_record(day):  # not so where the recorder was slower than the disk
                break
        assert lost > 0
        assert older_than_the_record(day)
        eventually(lambda: "run audit, then rebuild_book" in day.log("sweeper"), limit_s=PATIENCE_S)
        told = day.done()
        assert day.command("audit") == 2, day.log("audit")
        assert day.done() == told
        assert day.command("rebuild_book") == 0
        day.goes_on(30)
        day.end()
        eventually(day.at_rest, limit_s=PATIENCE_S, poll_s=0.2)
        assert day.command("audit") == 0, day.log("audit")
