"""The record read back into the book's values: what rebuilding, auditing and late questions start from."""

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from typing import Any

from django.db.models import Model

from accounts.models import TradingAccount
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.decimals import text
from copytrading.kernel.ids import AccountRef
from orders.book import codec
from orders.models import JournalEntry, Order, Transfer
from orders.rules import facts, margin
from orders.rules.lifecycle import LIVE


def recorded_order(order_id: str) -> facts.Order | None:
    """The order as it was last recorded. Raises django.db.Error when PostgreSQL is away."""
    row = Order.objects.filter(pk=order_id).first()
    return None if row is None else order_of_row(row)


def portfolio_of(
    row: TradingAccount, orders: list[facts.Order], catalogue: Catalogue, identity: str
) -> facts.Portfolio:
    """What the record says the portfolio is: money from the mirror, exposure from the live orders."""
    digits = catalogue.currency_digits[row.currency]
    exposures = margin.exposures_of(orders, digits)
    offered = {symbol: catalogue.terms[row.group_id, symbol] for symbol in exposures}
    mode = catalogue.groups[row.group_id].hedging_mode
    return facts.Portfolio(
        version=row.recorded_version,
        ledger_id=identity,
        balance=row.balance,
        credit=row.credit,
        used_margin=margin.used_margin(exposures, mode, offered, digits),
        margin_called=row.margin_called,
        exposures=exposures,
    )


def config_of(row: TradingAccount) -> facts.Config:
    """What the record says the account is allowed."""
    return facts.Config(
        group=row.group_id,
        leverage=row.leverage,
        currency=row.currency,
        status=row.status,
        sending_orders=row.sending_orders,
        owner=row.owner_id,
    )


def live_orders(account: AccountRef) -> list[facts.Order]:
    return live_orders_of([account])[account]


def live_orders_of(accounts: Iterable[AccountRef]) -> dict[AccountRef, list[facts.Order]]:
    """Of each, by id."""
    found: dict[AccountRef, list[facts.Order]] = {account: [] for account in accounts}
    rows = Order.objects.filter(account__in=list(map(str, found)), status__in=sorted(LIVE)).order_by("order_id")
    for row in rows:
        found[AccountRef.parse(row.account)].append(order_of_row(row))
    return found


def order_of_row(row: Order) -> facts.Order:
    """The book's value of a recorded order."""
    return facts.Order(**{field.name: value_of_column(row, field.name) for field in fields(facts.Order)})


def under_way_of(accounts: Iterable[AccountRef]) -> dict[AccountRef, dict[str, dict[str, str]]]:
    """Transfers that the record saw leave these accounts and not arrive anywhere, as the ledger keeps them."""
    found: dict[AccountRef, dict[str, dict[str, str]]] = {account: {} for account in accounts}
    names = list(map(str, found))
    left = Transfer.objects.filter(debit__in=names, kind="transfer").exclude(transfer_id="")
    ids = [transfer.transfer_id for transfer in left]
    arrivals = Transfer.objects.filter(transfer_id__in=ids, debit__startswith="house:")
    came = set(arrivals.values_list("transfer_id", flat=True))
    missing = [transfer_id for transfer_id in ids if transfer_id not in came]
    for entry in JournalEntry.objects.filter(account__in=names, command_id__in=missing):
        found[AccountRef.parse(entry.account)] |= codec.from_json(entry.body)["departed"]
    return found


def value_of_column(row: Model, name: str) -> Any:
    """What a field of the book's values is in a row of the record: a stamp from a time, a plain Decimal."""
    value = getattr(row, name.removesuffix("_ms"))
    if name.endswith("_ms"):
        return 0 if value is None else clock.to_ms(value)
    return Decimal(text(value)) if isinstance(value, Decimal) else value
