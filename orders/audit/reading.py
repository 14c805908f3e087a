"""Both sides of many accounts, read together: PostgreSQL under a lock, the ledger while its version stood still.

Values are decoded account by account, so that one which is not readable hides no other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import F, Q, Sum, Window
from django.db.models.functions import Lag

from accounts.models import TradingAccount, rows_of
from accounts.terms import Catalogue
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import KINDS, AccountRef
from orders.book import codec, keys, record
from orders.book.connection import Call, Ledger
from orders.models import JournalEntry, Transfer
from orders.rules import facts

CREDIT_KINDS = ("credit_in", "credit_out")
_SNAPSHOTS = 20


@dataclass(frozen=True, slots=True)
class Recorded:
    """One account in PostgreSQL, in one snapshot. `moved` and `moved_credit` are the sums of its transfers;
    `broken` are journal entries that do not follow the one before them.
    """

    row: TradingAccount
    orders: dict[str, facts.Order]
    under_way: dict[str, dict[str, str]]
    moved: Decimal
    moved_credit: Decimal
    journalled: bool
    broken: list[int]

    @property
    def version(self) -> int:
        return self.row.recorded_version

    @property
    def config(self) -> facts.Config:
        return record.config_of(self.row)

    def portfolio(self, catalogue: Catalogue) -> facts.Portfolio:
        alive = [self.orders[name] for name in sorted(self.orders)]
        try:
            return record.portfolio_of(self.row, alive, catalogue, self.row.book_ledger_id)
        except KeyError as error:
            raise InvariantBroken(f"there are no terms for {error}, which the account holds") from error


@dataclass(frozen=True, slots=True)
class Found:
    """One account in the ledger, read while its version stood still."""

    portfolio: facts.Portfolio
    config: facts.Config
    listed: frozenset[str]
    orders: dict[str, facts.Order]
    under_way: dict[str, dict[str, str]]
    unrecorded: list[tuple[int, int, str]]
    marks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """The same as the ledger has it: texts."""

    portfolio: dict[str, str]
    config: dict[str, str]
    listed: frozenset[str]
    leaving: dict[str, str]
    entries: list[tuple[str, dict[str, str]]]
    marks: dict[str, str]
    holdings: list[dict[str, str]]

    def read(self) -> Found:
        """Raises InvariantBroken for what is not readable."""
        orders = [codec.decode(facts.Order, written) for written in self.holdings if written]
        return Found(
            codec.decode_portfolio(self.portfolio),
            codec.decode(facts.Config, self.config),
            self.listed,
            {order.order_id: order for order in orders},
            {transfer: codec.from_json(written) for transfer, written in self.leaving.items()},
            [(int(name.partition("-")[0]), int(values["prev"]), values["body"]) for name, values in self.entries],
            self.marks,
        )


def from_record(accounts: Iterable[AccountRef]) -> dict[AccountRef, Recorded]:
    """Inside a transaction, which keeps the rows locked: nothing is recorded, and trimmed, until it ends."""
    rows = _locked(accounts)
    names = [str(account) for account in rows]
    alive, leaving = record.live_orders_of(rows), record.under_way_of(rows)
    came, went = _sums("credit", names), _sums("debit", names)
    journalled, broken = _journals(names)
    found = {}
    for account, row in rows.items():
        moved = {credit: came[str(account), credit] - went[str(account), credit] for credit in (False, True)}
        orders = {order.order_id: order for order in alive[account]}
        told = str(account) in journalled
        found[account] = Recorded(
            row, orders, leaving[account], moved[False], moved[True], told, broken[str(account)][:5]
        )
    return found


def from_ledger(book: Ledger, recorded: Mapping[AccountRef, int]) -> dict[AccountRef, Written | None]:
    """None for an account that is not in the ledger; one that never stood still is left out."""
    found: dict[AccountRef, Written | None] = {}
    waiting = dict(recorded)
    for _ in range(_SNAPSHOTS):
        found |= _snapshot(book, waiting)
        waiting = {account: version for account, version in waiting.items() if account not in found}
        if not waiting:
            break
    return found


def _locked(accounts: Iterable[AccountRef]) -> dict[AccountRef, TradingAccount]:
    listed = list(accounts)
    rows: dict[AccountRef, TradingAccount] = {}
    for kind in KINDS:
        if ids := sorted(account.id for account in listed if account.kind == kind):
            found = rows_of(kind).select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk")
            rows |= {AccountRef(kind, row.pk): row for row in found}
    return rows


def _sums(side: str, names: list[str]) -> dict[tuple[str, bool], Decimal]:
    """(account, whether of credit) -> what came to it, or went from it."""
    kinds = Q(kind__in=CREDIT_KINDS)
    rows = Transfer.objects.filter((f"{side}__in", names)).order_by().values(side)
    sums = {"money": Sum("amount", filter=~kinds, default=ZERO), "lent": Sum("amount", filter=kinds, default=ZERO)}
    found: dict[tuple[str, bool], Decimal] = defaultdict(lambda: ZERO)
    for row in rows.annotate(**sums):
        found[row[side], False], found[row[side], True] = row["money"], row["lent"]
    return found


def _journals(names: list[str]) -> tuple[set[str], dict[str, list[int]]]:
    """Accounts that have entries, and by account the entries that do not follow the one before them."""
    entries = JournalEntry.objects.filter(account__in=names).order_by()
    before = Window(Lag("version", default=0), partition_by="account", order_by="version")
    chained = entries.annotate(before=before).exclude(predecessor=F("before"))
    broken: dict[str, list[int]] = defaultdict(list)
    for account, version in chained.values_list("account", "version"):
        broken[account].append(version)
    return set(entries.values_list("account", flat=True).distinct()), broken


def _snapshot(book: Ledger, recorded: Mapping[AccountRef, int]) -> dict[AccountRef, Written | None]:
    """Those that no commit came between the reads of."""
    accounts = list(recorded)
    answers = book.run([call for account in accounts for call in _everything(account, recorded[account])])
    parts = {account: answers[6 * place : 6 * place + 6] for place, account in enumerate(accounts)}
    listed = {account: sorted(parts[account][2]) for account in accounts}
    calls = [call for account in accounts for call in _again(account, listed[account])]
    rest = iter(book.run(calls))
    found: dict[AccountRef, Written | None] = {}
    for account in accounts:
        portfolio, config, _, leaving, entries, marks = parts[account]
        holdings = [next(rest) for _ in listed[account]]
        version = next(rest)
        if not portfolio.get("version"):
            found[account] = None
        elif version == portfolio["version"]:
            found[account] = Written(portfolio, config, frozenset(listed[account]), leaving, entries, marks, holdings)
    return found


def _everything(account: AccountRef, recorded: int) -> list[Call]:
    journal = keys.journal(account)
    return [
        (keys.portfolio(account), ("HGETALL", keys.portfolio(account))),
        (keys.config(account), ("HGETALL", keys.config(account))),
        (keys.orders_index(account), ("SMEMBERS", keys.orders_index(account))),
        (keys.transfers(account), ("HGETALL", keys.transfers(account))),
        (journal, ("XRANGE", journal, f"({recorded}-0", "+")),
        (keys.marks(account), ("HGETALL", keys.marks(account))),
    ]


def _again(account: AccountRef, listed: list[str]) -> list[Call]:
    calls: list[Call] = [(key, ("HGETALL", key)) for key in (keys.holding(account, each) for each in listed)]
    return [*calls, (keys.portfolio(account), ("HGET", keys.portfolio(account), "version"))]
