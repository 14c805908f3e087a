"""A large broker: how long everything that looks at all accounts takes, and what the book weighs.

    python -m benchmarks.limits --accounts 100000

Each account has a deposit and three open orders with stop loss and take profit. They are copies of one account
that traded through the verbs: what it wrote to the ledger is written again under other ids.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.commits import IN_FLIGHT, buy
from benchmarks.place import Place, place
from benchmarks.table import Row, show

if TYPE_CHECKING:
    from orders.book.connection import Call

ORDERS = 3
#: A number that stands nowhere else in what the first account writes.
TEMPLATE = 900_000_001
REBUILT = 2_000


def measure(at: Place, accounts: int) -> list[Row]:
    calls = _template()
    took = [_timed("written to the ledger, in batches", lambda: _multiply(calls, accounts))]
    took.append(_timed("recorded in PostgreSQL", _record))
    rows = [_row(what, seconds, accounts) for what, seconds in took]
    rows += _weights(accounts)
    rows += [_row(what, _timed(what, run)[1], accounts) for what, run in _looks().items()]
    rows.append(_row("the ledger's restart", _timed("", lambda: _restart(at))[1], accounts))
    rebuilt = min(REBUILT, accounts)
    rows.append(_row("rebuild_book", _timed("", lambda: _rebuild(rebuilt))[1], rebuilt))
    return rows


def _timed(what: str, run: Callable[[], object]) -> tuple[str, float]:
    began = perf_counter()
    run()
    return what, perf_counter() - began


def _row(what: str, seconds: float, accounts: int) -> Row:
    rate = accounts / seconds
    return Row("limits", what, seconds, "s", rate, "accounts a second", seconds / accounts * 1_000, "ms an account")


def _looks() -> dict[str, Callable[[], object]]:
    from orders.audit import audit
    from workers.monitors.margin import MarginMonitor
    from workers.monitors.pending import PendingMonitor
    from workers.readings import Reader
    from workers.sweeper import Sweeper

    return {
        "start of the pending monitor": lambda: PendingMonitor("bench").run(once=True),
        "start of the margin monitor": lambda: MarginMonitor("bench").run(once=True),
        "a pass of the sweeper": lambda: Sweeper("bench").run(once=True),
        "audit": lambda: _nothing(list(audit())),
        "the operations page's readings": lambda: Reader().take(),
    }


def _nothing(differences: list[Any]) -> None:
    if differences:
        raise SystemExit(f"{len(differences)} differences, such as {differences[0]}")


def _template() -> "list[Call]":
    """Everything that one account wrote to the ledger from its entry on."""
    from accounts.models import model_of
    from benchmarks.place import fund
    from copytrading.kernel.ids import LIVE, AccountRef
    from orders.book.connection import Ledger
    from orders.messages import Done
    from orders.verbs import carry_out
    from tests.accounts import rows

    owner, account = rows.user("ann"), AccountRef(LIVE, TEMPLATE)
    model_of(LIVE).objects.create(pk=TEMPLATE, owner=owner, group=rows.group("retail"), sending_orders="rock")
    written: list[Call] = []
    run = Ledger.run_each

    def noted(self: Ledger, calls: "Sequence[Call]") -> list[Any]:
        written.extend(call for call in calls if call[1][0] in ("EVALSHA", "ZADD", "SADD") or _announces(call))
        return run(self, calls)

    Ledger.run_each = noted  # type: ignore[method-assign]
    try:
        fund(account)
        for number in range(ORDERS):
            assert isinstance(carry_out(buy(account, f"held{number}")), Done)
    finally:
        Ledger.run_each = run  # type: ignore[method-assign]
    return written


def _announces(call: "Call") -> bool:
    return call[0] == "queue:record" and call[1][0] == "XADD"


def _multiply(calls: "Sequence[Call]", accounts: int) -> None:
    from accounts.models import model_of
    from copytrading.kernel.ids import LIVE
    from orders.book.connection import ledger

    table = model_of(LIVE)
    first = table.objects.get(pk=TEMPLATE)
    noted = {"book_ledger_id": first.book_ledger_id, "book_entered_at": first.book_entered_at}
    more = {"owner_id": first.owner_id, "group_id": "retail", "currency": "USD", "sending_orders": "rock", **noted}
    for begin in range(0, accounts, 5_000):
        made = table.objects.bulk_create([table(**more) for _ in range(min(5_000, accounts - begin))])
        for batch in _batches([row.pk for row in made], IN_FLIGHT // len(calls) + 1):
            answers = ledger().run([_as(pk, call) for pk in batch for call in calls])
            assert all(answer[0] == "DONE" for answer in answers if isinstance(answer, list))


def _as(pk: int, call: "Call") -> "Call":
    before, after = str(TEMPLATE), str(pk)
    args = tuple(each.replace(before, after) if isinstance(each, str) else each for each in call[1])
    return call[0].replace(before, after), args


def _batches(ids: list[int], size: int) -> Iterator[list[int]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))


def _record() -> None:
    from workers.queues.record import RecordWorker

    RecordWorker("bench").run(once=True)


def _weights(accounts: int) -> list[Row]:
    from django.db import connection

    from orders.book.connection import ledger

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        database = cursor.fetchone()[0] / 1e6
    memory = sum(node.info("memory")["used_memory"] for node in ledger().nodes()) / 1e6
    return [
        Row("limits", what, size, "MB", 0, "", size * 1_000 / accounts, "kB an account")
        for what, size in (("memory of the ledger, journals recorded and cut", memory), ("the database", database))
    ]


def _restart(at: Place) -> None:
    from copytrading import embedded
    from orders.book import connection, guard

    connection.close_all()
    server = embedded.ledger(at.folder / "ledger")
    embedded.end_orphans(at.folder / "ledger")
    server.start()
    assert guard.clear() == []


def _rebuild(accounts: int) -> None:
    from orders.book import guard, rebuild
    from orders.book.connection import ledger

    wanted = [account for account, _ in guard.entered_accounts()][:accounts]
    for node in ledger().nodes():
        node.flushdb()
    assert len(list(rebuild.rebuild(wanted))) == accounts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000)
    wanted = parser.parse_args().accounts
    with place(1) as made:
        show(measure(made, wanted))
