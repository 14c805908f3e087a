"""Compares both sides of the book, account by account, and names each difference.

What the ledger should hold is the record plus the journal entries that were not recorded yet, so a
busy account is compared as exactly as an idle one. Nothing is changed here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import redis
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet, Sum

from accounts import catalogue as catalogues
from accounts.terms import Catalogue
from copytrading.kernel.decimals import ZERO, text
from copytrading.kernel.errors import InvariantBroken, LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from orders.audit import comparing, reading
from orders.audit.comparing import UNDER_WAY_MS
from orders.audit.difference import Difference, Outcome, outcome_of
from orders.audit.reading import Found, Recorded, Written
from orders.book import guard, terms, work
from orders.book.connection import Ledger, ReplyLost, unguarded_ledger
from orders.models import AuditReport, Transfer

__all__ = ["UNDER_WAY_MS", "Difference", "Outcome", "audit", "outcome_of", "report"]

#: Nothing of so many accounts is recorded while they are read.
AT_ONCE = 200
_KEPT = 1_000
_WORDS = {
    Outcome.CLEAN: "clean: the book and the record agree",
    Outcome.DRIFT: "drift: the differences are to be explained or mended",
    Outcome.LOSS: "loss suspected: stop trading (manage.py halt platform --everything), then manage.py rebuild_book",
    Outcome.UNCHECKED: "could not check: something is down",
}


def audit(accounts: Collection[AccountRef] | None = None, *, book: Ledger | None = None) -> Iterator[Difference]:
    """Every difference there is, of these accounts or of all; nothing when the book and the record agree."""
    book = book or unguarded_ledger()
    try:
        for fault in guard.check_settings(book):
            yield Difference("ledger_settings", "ledger", fault)
        catalogue = catalogues.load(terms.epoch(book))
        wanted = None if accounts is None else set(accounts)
        walk = iter([account for account, _ in guard.entered_accounts() if wanted is None or account in wanted])
        while batch := list(islice(walk, AT_ONCE)):
            yield from _batch(book, batch, catalogue)
        yield from _buried(book, wanted)
        yield from _house()
    except (DatabaseError, redis.exceptions.RedisError, LedgerUnavailable, ReplyLost) as error:
        yield Difference("not_checked", "audit", str(error), Outcome.UNCHECKED)


def report(differences: Sequence[Difference], accounts: int, seconds: float) -> AuditReport:
    """The report of an audit of so many accounts that has ended; not yet saved."""
    outcome = outcome_of(differences)
    leaving = 0 if outcome is Outcome.UNCHECKED else _under_way().count()
    told = f"{accounts} accounts, {leaving} transfers under way, {len(differences)} differences in {seconds:.1f} s"
    return AuditReport(
        outcome=outcome,
        accounts=accounts,
        under_way=leaving,
        differences=[[found.what, found.where, found.detail] for found in differences[:_KEPT]],
        summary=f"{told}; {_WORDS[outcome]}",
    )


def _batch(book: Ledger, accounts: Sequence[AccountRef], catalogue: Catalogue) -> Iterator[Difference]:
    with transaction.atomic():  # the rows are locked, so that nothing is recorded, and trimmed, between the two
        recorded = reading.from_record(accounts)
        written = reading.from_ledger(book, {account: each.version for account, each in recorded.items()})
    told: dict[AccountRef, list[Difference]] = {account: [] for account in recorded}
    complete: dict[AccountRef, Found] = {}
    for account, each in recorded.items():
        try:
            found = _found(account, each, written, told[account])
            if found is not None:
                told[account].extend(comparing.against_record(account, each, found, catalogue))
                told[account].extend(comparing.inside_ledger(account, found, catalogue))
                told[account].extend(comparing.under_way(book, account, each, found))
                complete[account] = found
        except InvariantBroken as error:
            told[account].append(Difference("unreadable", str(account), str(error)))
    lacking = comparing.hints(book, complete)
    for account, each in recorded.items():
        yield from told[account]
        if account in complete:
            yield from lacking[account]
            yield from comparing.inside_record(account, each)


def _found(
    account: AccountRef, recorded: Recorded, written: Mapping[AccountRef, Written | None], told: list[Difference]
) -> Found | None:
    """What the ledger has; None when it lacks the account or is behind, which is told."""
    if account not in written:
        raise InvariantBroken(f"{account} did not stand still while it was read; audit it again when it is quieter")
    texts = written[account]
    if texts is None:
        detail = f"recorded at {recorded.version}, not in the ledger"
        told.append(Difference("account_missing", str(account), detail, Outcome.LOSS))
        return None
    found = texts.read()
    if found.portfolio.version < recorded.version:
        detail = f"the ledger is at {found.portfolio.version}, recorded is {recorded.version}"
        told.append(Difference("version_behind", str(account), detail, Outcome.LOSS))
        return None
    return found


def _buried(book: Ledger, wanted: set[AccountRef] | None) -> Iterator[Difference]:
    """Accounts whose news nobody folds in any more, since the message that told of them failed too often."""
    named = {str(account) for account in wanted or ()}
    for queue in work.QUEUES:
        for letter in work.dead_letters(book, queue):
            where = letter.fields.get("account", "")
            if wanted is None or where in named:
                detail = f"its announcement lies in the dead letters of {queue} as {letter.id}: {letter.error}"
                yield Difference("dead_letter", where, detail)


def _house() -> Iterator[Difference]:
    """Money in transit is exactly what has left and not arrived: never less than nothing."""
    for row in _in_transit().filter(came__gt=F("left")):
        detail = f"{text(row['came'])} arrived, {text(row['left'])} left"
        yield Difference("transfer_unbalanced", row["transfer_id"], detail)


def _under_way() -> QuerySet[Any, Any]:
    return _in_transit().filter(left__gt=F("came"))


def _in_transit() -> QuerySet[Any, Any]:
    """Every transfer between accounts, with what has left and what came."""
    rows = Transfer.objects.filter(Q(debit__startswith="house:transit:") | Q(credit__startswith="house:transit:"))
    return (
        rows.order_by()
        .values("transfer_id")
        .annotate(
            left=Sum("amount", filter=Q(credit__startswith="house:transit:"), default=ZERO),
            came=Sum("amount", filter=Q(debit__startswith="house:transit:"), default=ZERO),
        )
    )
