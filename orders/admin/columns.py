"""Columns and fields that the record's pages share."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.utils import display_for_label

from accounts.admin.access import exactly
from accounts.admin.links import account_link, order_link, principal_link
from accounts.models import rows_of
from copytrading.kernel import decimals
from copytrading.kernel.ids import AccountRef
from orders.admin import shown
from orders.models import Order

Column = Callable[[Any], str]

_STATUS_COLOURS = {
    "OPEN": "success",
    "PENDING": "info",
    "PENDING_QUEUED": "info",
    "QUEUED": "info",
    "CANCELLED": "warning",
    "REJECTED": "danger",
}
NEVER = "-"


def once(ask: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A page asks the same of its row several times; the database hears it once."""

    @wraps(ask)
    def answered(row: Any) -> Any:
        kept = row.__dict__.setdefault("asked_once", {})
        if ask not in kept:
            kept[ask] = ask(row)
        return kept[ask]

    return answered


def number(field: str, description: str) -> Column:
    """A number that is no money and no price, for the page of one row."""

    @admin.display(description=description)
    def told(row: Any) -> str:
        value = getattr(row, field)
        return NEVER if value is None else shown.plain(value)

    return told


def quoted(field: str, description: str) -> Column:
    """A price with the digits of its instrument."""

    @admin.display(description=description)
    def told(row: Any) -> str:
        value = getattr(row, field)
        return NEVER if value is None else shown.quoted(value, row.symbol)

    told.__name__ = f"figure_{field}"
    return told


def amount(field: str, description: str) -> Column:
    """Money, in the currency of the account."""

    @admin.display(description=description)
    def told(row: Any) -> str:
        return shown.money(getattr(row, field), currency_of(row))

    told.__name__ = f"figure_{field}"
    return told


def setting(level: str, description: str) -> Column:
    """Levels are numbered as they are set, so that a trigger fires the one it saw."""

    @admin.display(description=description)
    def shown(row: Order) -> str:
        times, since = getattr(row, f"{level}_version"), getattr(row, f"{level}_since")
        return f"setting {times}, counts from {exactly(since)}" if times and since else NEVER

    return shown


def account(field: str = "account", description: str = "account") -> Column:
    @admin.display(description=description)
    def shown(row: Any) -> SafeString:
        return account_link(getattr(row, field))

    shown.__name__ = f"account_{field}"
    return shown


@admin.display(description="order")
def order(row: Any) -> SafeString:
    return order_link(row.order_id)


@admin.display(description="by")
@once
def principal(row: Any) -> SafeString:
    """`names` is what `prepare` found for a whole list at once."""
    return principal_link(row.principal, getattr(row, "names", None))


@admin.display(description="lots")
def lots(row: Order) -> str:
    """What was asked; of an order that is partly closed, what is left of it."""
    partly = 0 < row.open_lots < row.lots
    return f"{decimals.text(row.open_lots)} of {decimals.text(row.lots)}" if partly else decimals.text(row.lots)


@admin.display(description="price")
def price(row: Order) -> str:
    """It was opened at, or rests at."""
    known = row.order_price if row.open_price is None else row.open_price
    return "" if known is None else shown.quoted(known, row.symbol)


lots.__name__, price.__name__ = "figure_lots", "figure_price"


@admin.display(description="reason")
def reason(row: Order) -> str:
    """Where it says more than the status."""
    return "" if row.reason == row.status.lower() else row.reason


@admin.display(description="profit")
def profit(row: Order) -> str:
    return shown.money(row.profit, currency_of(row)) if row.close_price is not None else ""


profit.__name__ = "figure_profit"


@display(description="status", label=_STATUS_COLOURS)
def status(row: Order) -> str:
    return row.status


@admin.display(description="status")
def status_shown(row: Order) -> SafeString:
    """As the list shows it, for the page of one row, which knows no labels."""
    return display_for_label(row.status, NEVER, _STATUS_COLOURS)


@once
def currency_of(row: Any) -> str:
    """What the money of its account is counted in; empty for what is no account. A list knows it of all its rows."""
    if hasattr(row, "counted_in"):
        return str(row.counted_in)
    return currencies_of([row.account]).get(row.account, "")


def currencies_of(accounts: Iterable[str]) -> dict[str, str]:
    """Of each that is an account; one question for each kind among them."""
    asked: dict[str, set[int]] = {}
    for name in accounts:
        with suppress(ValueError):
            ref = AccountRef.parse(name)
            asked.setdefault(ref.kind, set()).add(ref.id)
    found = ((kind, rows_of(kind).filter(pk__in=ids).values_list("pk", "currency")) for kind, ids in asked.items())
    return {f"{kind}:{pk}": currency for kind, rows in found for pk, currency in rows}
