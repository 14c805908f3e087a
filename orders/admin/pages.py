"""What all pages of the record have in common: looked at, searched by what a word means, tables below the fields."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.admin.access import ReadOnly, exactly
from accounts.admin.links import account_link, link, order_link
from accounts.admin.lists import BoundedList
from copytrading.kernel.decimals import text
from orders.admin import columns, search, shown
from orders.admin.panels import Panel
from orders.admin.search import Meaning
from orders.models import Deal, JournalEntry, Transfer


class RecordAdmin(ReadOnly, BoundedList, ModelAdmin):
    """One table of the record. Nothing here can be changed by hand."""

    #: The column in which a word of that meaning is found.
    found_in: ClassVar[Mapping[Meaning, Callable[[str], Q]]] = {}
    search_fields: tuple[str, ...] = ("pk",)  # shows the box; what a word finds is `found_in`'s
    search_help_text: str | None = search.HELP
    change_form_outer_after_template = "orders/panels.html"

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        return search.found(queryset, search_term, self.found_in), False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def prepare(self, rows: list[Any]) -> None:
        """What the money of each row is counted in, with a question for each kind of account."""
        currencies = columns.currencies_of({row.account for row in rows if hasattr(row, "account")})
        for row in rows:
            row.counted_in = currencies.get(getattr(row, "account", ""), "")

    def panels(self, row: Any) -> list[Panel]:
        """The tables below the fields of one row."""
        return []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        below = {"panels": self.panels(row)} if row else {}
        return super().change_view(request, object_id, form_url, {**below, **(extra_context or {})})


def journal_links(rows: Iterable[Deal | Transfer]) -> dict[tuple[str, int], str]:
    """The entry that tells of each, by account and version; one question, since an account's rows come together."""
    named = {(row.account, row.version) for row in rows}
    asked = Q(pk__in=[])
    for account in {account for account, _ in named}:
        asked |= Q(account=account, version__in=[version for of, version in named if of == account])
    entries = JournalEntry.objects.filter(asked).only("pk", "account", "version")
    return {(each.account, each.version): link("orders_journalentry", each.pk, str(each.version)) for each in entries}


@display(description="journal entry")
@columns.once
def journal_entry(row: Deal | Transfer) -> str:
    return journal_links([row]).get((row.account, row.version), str(row.version))


def deals_panel(deals: Iterable[Deal]) -> Panel:
    listed = list(deals)
    entries, currencies = journal_links(listed), columns.currencies_of({deal.account for deal in listed})

    def money(deal: Deal, amount: Decimal) -> str:
        return shown.money(amount, currencies.get(deal.account, ""))

    return Panel(
        title="Deals",
        columns=(
            "Deal", "Time, UTC", "Order", "Entry", "Side", ">Lots", "Symbol",
            ">Price", ">Profit", ">Commission", ">Swap", ">Version",
        ),
        rows=[
            (
                link("orders_deal", deal.pk, str(deal.pk)), exactly(deal.at), order_link(deal.order_id),
                deal.entry, deal.side, text(deal.lots), deal.symbol, shown.quoted(deal.price, deal.symbol),
                money(deal, deal.profit), money(deal, deal.commission), money(deal, deal.swap),
                entries.get((deal.account, deal.version), str(deal.version)),
            )
            for deal in listed
        ],
        empty="Nothing was filled. Each fill, in or out, would stand here with its price, lots and profit.",
    )  # fmt: skip


def transfers_panel(transfers: Iterable[Transfer], title: str = "Transfers") -> Panel:
    listed = list(transfers)
    entries = journal_links(listed)
    return Panel(
        title=title,
        columns=("Transfer", "Time, UTC", "Kind", ">Amount", "From", "To", "Reason", ">Version"),
        rows=[
            (
                link("orders_transfer", each.pk, str(each.pk)), exactly(each.at), each.kind,
                shown.money(each.amount, each.currency), account_link(each.debit),
                account_link(each.credit), each.reason or columns.NEVER,
                entries.get((each.account, each.version), str(each.version)),
            )
            for each in listed
        ],
        empty="No money moved. Profit, commission and swap would stand here, from account to account.",
    )  # fmt: skip
