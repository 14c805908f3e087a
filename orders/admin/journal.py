"""The journal of all accounts: each entry with what it changed, and the one before and after it."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from accounts.admin.access import exact, moment, words
from accounts.admin.links import link, names_of, order_link
from accounts.admin.lists import TimeRange, one_of
from orders.admin import columns, events
from orders.admin.pages import RecordAdmin, deals_panel, transfers_panel
from orders.admin.panels import Panel
from orders.book import codec
from orders.models import Deal, JournalEntry, Order, Transfer


def _of_order(order_id: str) -> Q:
    order = Order.objects.filter(pk=order_id).first()
    return Q(pk__in=[entry.pk for entry in events.entries_of(order)] if order else [])


@admin.display(description="entry before")
@columns.once
def _before(entry: JournalEntry) -> SafeString | str:
    found = JournalEntry.objects.filter(account=entry.account, version=entry.predecessor).only("version").first()
    return _named(found) if found else "none: the account's first"


@admin.display(description="entry after")
@columns.once
def _after(entry: JournalEntry) -> SafeString | str:
    later = JournalEntry.objects.filter(account=entry.account, version__gt=entry.version).order_by("version")
    found = later.only("version").first()
    return _named(found) if found else "none yet"


@admin.register(JournalEntry)
class JournalEntryAdmin(RecordAdmin):
    list_display = (moment("at", "time"), columns.account(), "version", "what", columns.principal, "command_id")
    list_display_links = ("version",)
    ordering = ("-at", "-version")
    list_filter = (one_of("verb", "what", events.VERBS.items), ("at", TimeRange))
    found_in = {
        "order": _of_order,
        "account": lambda account: Q(account=account),
        "command": lambda command_id: Q(command_id=command_id),
        "principal": lambda principal: Q(principal=principal),
    }
    fieldsets = (
        (
            None,
            {
                "fields": (
                    (columns.account(), "version"),
                    ("what", columns.principal),
                    (exact("at", "time"), words("command_id", "command")),
                    ("note",),
                    (_before, _after),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("body")

    def prepare(self, rows: list[Any]) -> None:
        """No money stands here, but names do."""
        names = names_of(entry.principal for entry in rows)
        for entry in rows:
            entry.names = names

    @admin.display(description="what")
    def what(self, entry: JournalEntry) -> str:
        return events.VERBS.get(entry.verb, entry.verb)

    @admin.display(description="note")
    def note(self, entry: JournalEntry) -> str:
        return codec.from_json(entry.body).get("note") or columns.NEVER

    def panels(self, entry: JournalEntry) -> list[Panel]:
        at = {"account": entry.account, "version": entry.version}
        deals, transfers = Deal.objects.filter(**at).order_by("line"), Transfer.objects.filter(**at).order_by("line")
        return [_orders(entry), deals_panel(deals), transfers_panel(transfers)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        entry = self.get_object(request, object_id)
        body = {"body": json.dumps(codec.from_json(entry.body), indent=2, ensure_ascii=False)} if entry else {}
        return super().change_view(request, object_id, form_url, body | (extra_context or {}))


def _named(entry: JournalEntry) -> SafeString:
    return link("orders_journalentry", entry.pk, f"version {entry.version}")


def _orders(entry: JournalEntry) -> Panel:
    return Panel(
        title="Orders it made or changed",
        columns=("Order", "Symbol", "Type", "State then"),
        rows=[
            (order_link(order["order_id"]), order["symbol"], order["order_type"], events.state_in_words(order))
            for order in codec.from_json(entry.body)["orders"]
        ],
        empty="No order was touched.",
    )
