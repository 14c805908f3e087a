"""The record read back into the book's values: what rebuilding, auditing and late questions start from."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

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
    exposures: dict[str, facts.Exposure] = {}
    for order in orders:
        if order.open_lots:
            held = margin.margin_of_rest(order.margin, order.open_lots, order.filled_lots, digits)
            leg = exposures.get(order.symbol, facts.Exposure())
            exposures[order.symbol] = leg.moved(order.side, order.open_lots, order.open_cost, held)
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


def live_orders(account: AccountRef) -> list[facts.Order]:
    rows = Order.objects.filter(account=str(account), status__in=sorted(LIVE)).order_by("order_id")
    return [order_of_row(row) for row in rows]


def order_of_row(row: Order) -> facts.Order:
    """The book's value of a recorded order."""
    return facts.Order(**{field.name: _of_column(row, field.name) for field in fields(facts.Order)})


def under_way(account: AccountRef) -> dict[str, dict[str, str]]:
    """Transfers that the record saw leave this account and not arrive anywhere, as the ledger keeps them."""
    left = Transfer.objects.filter(debit=str(account), kind="transfer").exclude(transfer_id="")
    ids = [transfer.transfer_id for transfer in left]
    arrivals = Transfer.objects.filter(transfer_id__in=ids, debit__startswith="house:")
    came = set(arrivals.values_list("transfer_id", flat=True))
    missing = [transfer_id for transfer_id in ids if transfer_id not in came]
    found: dict[str, dict[str, str]] = {}
    for entry in JournalEntry.objects.filter(account=str(account), command_id__in=missing):
        found |= codec.from_json(entry.body)["departed"]
    return found


def _of_column(row: Order, name: str) -> Any:
    value = getattr(row, name.removesuffix("_ms"))
    if name.endswith("_ms"):
        return 0 if value is None else clock.to_ms(value)
    return Decimal(text(value)) if isinstance(value, Decimal) else value
