"""The last of what the record has of an account: deals, transfers and journal entries."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from accounts.models import User
from copytrading.kernel import decimals
from copytrading.kernel.ids import AccountRef
from orders.admin import shown
from orders.admin.columns import currencies_of
from orders.admin.links import account_link, list_url, order_link
from orders.book.codec import from_json
from orders.models import Deal, JournalEntry, Transfer

SHOWN = 6


@dataclass(frozen=True, slots=True)
class Recent:
    """A table, and the address of the full list."""

    title: str
    url: str
    heads: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def of(account: AccountRef) -> list[Recent]:
    named = str(account)
    return [
        Recent("Deals", list_url("deal", named), ("Time (UTC)", "Deal", "Price", "Profit", "Commission", "Order"),
               _deals(_last(Deal, named, "-line"), currencies_of([named]).get(named, ""))),
        Recent("Transfers", list_url("transfer", named), ("Time (UTC)", "Kind", "Amount", "From", "To", "Reason"),
               [_transfer(transfer) for transfer in _last(Transfer, named, "-line")]),
        Recent("Journal entries", list_url("journalentry", named), ("Time (UTC)", "Version", "Verb", "By", "Note"),
               _entries(_last(JournalEntry, named))),
    ]  # fmt: skip


def _last(model: Any, account: str, *within: str) -> Any:
    """By version, which each of these tables has an index of per account."""
    return model.objects.filter(account=account).order_by("-version", *within)[:SHOWN]


def _deals(deals: Iterable[Deal], currency: str) -> list[tuple[Any, ...]]:
    return [_deal(deal, currency) for deal in deals]


def _deal(deal: Deal, currency: str) -> tuple[Any, ...]:
    what = f"{deal.entry} {deal.side} {decimals.text(deal.lots)} {deal.symbol}"
    money = (shown.money(deal.profit, currency), shown.money(deal.commission, currency))
    return (_time(deal), what, shown.quoted(deal.price, deal.symbol), *money, order_link(deal.order_id))


def _transfer(transfer: Transfer) -> tuple[Any, ...]:
    amount = shown.money(transfer.amount, transfer.currency)
    why = order_link(transfer.order_id) if transfer.order_id else transfer.reason
    ends: tuple[str | SafeString, ...] = (account_link(transfer.debit), account_link(transfer.credit))
    return (_time(transfer), transfer.kind, amount, *ends, why)


def _entries(entries: Iterable[JournalEntry]) -> list[tuple[Any, ...]]:
    """People by their names."""
    listed = list(entries)
    named = {f"user:{pk}": name for pk, name in _names(entry.principal for entry in listed)}
    return [
        (_time(entry), entry.version, entry.verb, named.get(entry.principal, entry.principal), _note(entry))
        for entry in listed
    ]


def _names(principals: Iterable[str]) -> Iterable[tuple[int, str]]:
    ids = {principal.removeprefix("user:") for principal in principals if principal.startswith("user:")}
    return User.objects.filter(pk__in=ids).values_list("pk", "username")


def _note(entry: JournalEntry) -> str:
    return str(from_json(entry.body).get("note", ""))


def _time(row: Any) -> str:
    return f"{row.at:%Y-%m-%d %H:%M:%S}"
