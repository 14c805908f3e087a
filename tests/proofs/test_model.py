"""Whatever is interleaved, dies, is lost or comes twice: book and record end where a plain model says.

Runs the same programs each time, for at most 40 seconds; PROOF_SECONDS=600 runs others beyond them for ten
minutes, and PROOF_SEED=17 the one program that a failure named.
"""

import os
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count

import pytest
from django.db.models import F, Sum

from accounts.models import Instrument, rows_of
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE
from orders import recorder
from orders.book import terms
from orders.models import Deal, JournalEntry, Transfer
from tests.accounts import rows
from tests.fixtures.floor import Floor
from tests.proofs.by_hand import sweep, work_off
from tests.proofs.program import Program

D = Decimal
PROGRAMS, STEPS = 12, 60
SECONDS = float(os.environ.get("PROOF_SECONDS", "40"))
SEED = os.environ.get("PROOF_SEED")

pytestmark = pytest.mark.timeout(int(SECONDS) + 120)


@pytest.fixture
def place(make_floor: Callable[..., Floor]) -> Floor:
    """Two groups with a commission, and prices that never grow old."""
    charged = {"commission_kind": "per_lot", "commission_timing": "both"}
    made = make_floor({"EURUSD": {**charged, "commission_rate": D(7)}})
    rows.group("prime", ignore_hours=True)
    rows.offer("prime", "EURUSD", spread_points=D(1), commission_rate=D(3), **charged)
    Instrument.objects.update(price_age_ms=86_400_000)
    terms.renew()
    return made


def seeds() -> Iterator[int]:
    if SEED is not None:
        return iter([int(SEED)])
    return count(1) if "PROOF_SECONDS" in os.environ else iter(range(1, PROGRAMS + 1))


def test_random_programs_end_as_the_model_says(place: Floor) -> None:
    until = time.monotonic() + SECONDS
    programs: list[Program] = []
    for seed in seeds():
        if time.monotonic() > until:
            break
        kinds = {"one": LIVE, "two": DEMO, "three": COPY_FOLLOWER}
        refs = {n: rows.account(kind, f"{n}{seed}", sending_orders="rock").ref for n, kind in kinds.items()}
        try:
            program = Program(place, seed, refs)
            program.run(STEPS)
            finish(program)
        except Exception as error:
            error.add_note(f"this was PROOF_SEED={seed}")
            raise
        programs.append(program)
    assert programs
    assert sum(program.faults for program in programs) > len(programs)
    work_off()
    assert place.differences() == []
    conserve()


def finish(program: Program) -> None:
    """All that was left half done is finished, and both sides say what the model says."""
    for _ in range(3):  # a transfer's arrival and its note are found one after the other
        sweep()
        program.look()
    assert program.transits == []
    while recorder.record(program.refs.values()).entries:
        pass
    program.look()
    for name, ref in program.refs.items():
        account, row = program.model.accounts[name], rows_of(ref.kind).get(pk=ref.id)
        assert (row.balance, row.recorded_version) == (account.balance, account.version)
        chain = JournalEntry.objects.filter(account=str(ref)).order_by("version").values_list("predecessor", "version")
        assert list(chain) == [(version - 1, version) for version in range(1, account.version + 1)]
        deals = Deal.objects.filter(account=str(ref)).order_by("version", "line")
        assert list(deals.values_list("order_id", "entry", "lots", "price", "profit")) == account.deals


def conserve() -> None:
    """Every movement has two sides: what accounts hold, the house lacks."""
    came = Transfer.objects.values(name=F("credit")).annotate(total=Sum("amount"))
    went = Transfer.objects.values(name=F("debit")).annotate(total=Sum("amount"))
    totals: dict[str, Decimal] = {}
    for sign, moved in ((1, came), (-1, went)):
        for row in moved:
            totals[row["name"]] = totals.get(row["name"], D(0)) + sign * row["total"]
    for kind in (LIVE, DEMO, COPY_FOLLOWER):
        for row in rows_of(kind).all():
            assert totals.get(str(row.ref), D(0)) == row.balance
    assert totals["house:transit:USD"] == 0
    assert sum(totals.values()) == 0
