"""A broker to be measured: embedded servers in a folder of its own, tables, one group, EURUSD and many accounts."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from copytrading.kernel.ids import AccountRef

SYMBOL = "EURUSD"
DEPOSIT = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Place:
    """`accounts` are live, local, funded and in the book; `token` opens their owner's API."""

    accounts: "list[AccountRef]"
    token: str
    folder: Path


@contextmanager
def place(accounts: int) -> Iterator[Place]:
    """Servers as `make run` starts them: the ledger with appendfsync always, PostgreSQL with fsync."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o711)
    os.environ |= {
        "DATA_DIR": str(folder), "LOG_LEVEL": "WARNING", "API_RATE": "1000000",
        "DJANGO_SETTINGS_MODULE": "copytrading.settings",
    }  # fmt: skip
    from copytrading import embedded

    try:
        with embedded.servers(folder):
            yield Place(*_seed(accounts), folder)
    finally:
        embedded.end_orphans(*(folder / name for name in ("ledger", "market", "postgresql")))  # also restarted ones
        shutil.rmtree(folder, ignore_errors=True)


def _seed(count: int) -> "tuple[list[AccountRef], str]":
    import django

    django.setup()
    from django.core.management import call_command
    from knox.models import AuthToken

    from copytrading.kernel.ids import LIVE, AccountRef
    from orders.book import guard, terms
    from tests.accounts import rows

    call_command("migrate", verbosity=0, interactive=False)
    rows.group("retail", ignore_hours=True)
    # A price that stays good for as long as a run takes.
    rows.instrument(SYMBOL, price_age_ms=3_600_000)
    rows.offer("retail", SYMBOL, commission_kind="per_lot", commission_rate=Decimal(7), commission_timing="both")
    if faults := guard.clear():
        raise SystemExit("\n".join(faults))
    terms.renew()
    owner = rows.user("ann")
    table = type(rows.account(LIVE, sending_orders="rock"))
    more = {"owner": owner, "group_id": "retail", "currency": "USD", "sending_orders": "rock"}
    table.objects.bulk_create([table(**more) for _ in range(count - 1)])
    refs = [AccountRef(LIVE, pk) for pk in table.objects.order_by("pk").values_list("pk", flat=True)]
    quote()
    for ref in refs:
        fund(ref)
    return refs, str(AuthToken.objects.create(owner)[1])


def quote(bid: str = "1.1000", ask: str = "1.1002") -> None:
    from copytrading.kernel import clock
    from orders.book import quotes
    from orders.book.connection import market

    assert quotes.publish(market(), SYMBOL, Decimal(bid), Decimal(ask), "bench", clock.now_ms())


def fund(account: "AccountRef") -> None:
    from orders.messages import Done, MoveMoney
    from orders.verbs import carry_out

    asked: dict[str, Any] = {"kind": "deposit", "amount": DEPOSIT, "reason": "to be measured", "staff": True}
    done = carry_out(MoveMoney(account=account, principal="system:bench", key="fund", **asked))
    assert isinstance(done, Done), done
