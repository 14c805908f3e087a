"""The record, to be looked at: orders, deals, transfers, audits of the book."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from accounts.admin.access import exact, moment, plain, words
from accounts.admin.links import subject_link
from accounts.admin.lists import TimeRange, one_of
from accounts.models import Currency, Instrument
from copytrading.kernel.decimals import text
from copytrading.kernel.ids import account_of
from orders.admin import columns, search, shown
from orders.admin.actions import StaffAction, offered_for
from orders.admin.columns import amount, number, quoted, setting
from orders.admin.events import events_panel
from orders.admin.exports import Exported
from orders.admin.links import act_url
from orders.admin.pages import RecordAdmin, deals_panel, journal_entry, transfers_panel
from orders.admin.panels import Panel
from orders.audit import Outcome
from orders.models import AuditReport, Deal, Order, Transfer
from orders.rules.lifecycle import LIVE, TERMINAL

MOST_LINES = 200
OUTCOMES = {
    Outcome.CLEAN: "clean",
    Outcome.DRIFT: "drift",
    Outcome.LOSS: "loss suspected",
    Outcome.UNCHECKED: "could not check",
}
OUTCOME_COLOURS = {"clean": "success", "drift": "warning", "loss suspected": "danger", "could not check": "warning"}


def _group(title: str | None, *lines: tuple[Any, ...]) -> tuple[str | None, dict[str, Any]]:
    """Fields under one title, two of them a line."""
    return title, {"fields": lines}


def _same(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


def _symbols() -> list[tuple[str, str]]:
    return _same(Instrument.objects.order_by("symbol").values_list("symbol", flat=True))


_TYPES = ("BUY", "SELL", "BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP")
_KINDS = (
    "profit", "commission", "swap", "deposit", "withdrawal", "correction", "credit_in", "credit_out", "transfer",
)  # fmt: skip
_by_symbol = one_of("symbol", "symbol", _symbols)


@admin.register(Order)
class OrderAdmin(Exported, RecordAdmin):
    list_display = (
        moment("created_at", "placed"), "order_id", columns.account(), "symbol", "kind", columns.status,
        columns.lots, columns.price, quoted("close_price", "closed at"), columns.profit, columns.reason,
    )  # fmt: skip
    list_display_links = ("order_id",)
    list_filter = (
        one_of("status", "status", lambda: _same(sorted(LIVE | TERMINAL))),
        one_of("order_type", "type", lambda: _same(_TYPES)),
        one_of("flow", "flow", lambda: _same(("local", "provider"))),
        _by_symbol,
        ("created_at", TimeRange),
    )
    change_form_outer_before_template = "orders/order_acts.html"
    found_in = {
        "order": lambda order_id: Q(pk__startswith=order_id),
        "account": lambda account: Q(account=account),
        "symbol": lambda symbol: Q(symbol=symbol),
        "principal": lambda principal: Q(principal=principal),
        "command": search.orders_of_command,
    }
    fieldsets = (
        _group(
            None,
            ("order_id", columns.account(), columns.status_shown),
            ("symbol", "flow", words("reason", "reason")),
        ),
        _group(
            "What was asked",
            ("order_type", number("lots", "lots"), quoted("order_price", "price asked")),
            (columns.principal, exact("created_at", "placed"), exact("expires_at", "expires")),
        ),
        _group(
            "What happened",
            (
                number("filled_lots", "lots filled"),
                number("open_lots", "lots open now"),
                number("leaves_lots", "may still fill"),
            ),
            (exact("opened_at", "opened"), exact("closed_at", "closed"), "version"),
        ),
        _group(
            "Prices",
            (
                quoted("open_price", "open price"),
                quoted("close_price", "close price"),
                number("open_cost", "open cost"),
            ),
        ),
        _group(
            "Levels",
            (
                quoted("stop_loss", "stop loss"),
                quoted("take_profit", "take profit"),
                quoted("order_price", "resting at"),
            ),
            (setting("stop", "stop loss set"), setting("take", "take profit set"), setting("price", "resting since")),
        ),
        _group(
            "Money",
            (amount("profit", "profit"), amount("commission", "commission"), amount("swap", "swap")),
            (amount("margin", "margin"), "commission_terms", number("contract_size", "units of a lot")),
        ),
    )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        links = {"links": _acts(request, unquote(object_id))}
        return super().change_view(request, object_id, form_url, links | (extra_context or {}))

    def panels(self, order: Order) -> list[Panel]:
        deals = Deal.objects.filter(order_id=order.pk).order_by("version", "line")[:MOST_LINES]
        moved = Transfer.objects.filter(order_id=order.pk).order_by("version", "line")[:MOST_LINES]
        return [events_panel(order), deals_panel(deals), transfers_panel(moved)]

    @admin.display(description="type")
    def kind(self, order: Order) -> str:
        return order.order_type

    @admin.display(description="commission terms")
    def commission_terms(self, order: Order) -> str:
        kind = "per lot" if order.commission_kind == "per_lot" else "percent of the notional"
        return f"{text(order.commission_rate)} {kind}, {order.commission_timing}"


def _acts(request: HttpRequest, order_id: str) -> list[tuple[StaffAction, str]]:
    """What whoever looks may do to an order of this status, each with the address of its form."""
    order = Order.objects.filter(pk=order_id).only("status", "account").first()
    account = account_of(order_id)
    if order is None or account is None:
        return []
    offered = (each for each in offered_for(order.status) if each.may(request))
    return [(each, act_url(account.kind, account.id, each.name, order_id)) for each in offered]


@admin.register(Deal)
class DealAdmin(Exported, RecordAdmin):
    list_display = (
        moment("at", "time"), "id", columns.account(), columns.order, "entry", "side", plain("lots"), "symbol",
        quoted("price", "price"),
        amount("profit", "profit"), amount("commission", "commission"), amount("swap", "swap"),
    )  # fmt: skip
    list_display_links = ("id",)
    list_filter = (
        one_of("entry", "entry", lambda: _same(("in", "out"))),
        one_of("side", "side", lambda: _same(("BUY", "SELL"))),
        _by_symbol,
        ("at", TimeRange),
    )
    found_in = {
        "order": lambda order_id: Q(order_id=order_id),
        "account": lambda account: Q(account=account),
        "symbol": lambda symbol: Q(symbol=symbol),
        "command": search.lines_of_command,
    }
    fieldsets = (
        _group(
            None,
            ("id", exact("at", "time")),
            (columns.account(), columns.order),
            (journal_entry, "line"),
        ),
        _group(
            "The fill",
            ("entry", "side"),
            (number("lots", "lots"), "symbol"),
            (quoted("price", "price"),),
        ),
        _group(
            "What it did to the balance",
            (amount("profit", "profit"), amount("commission", "commission")),
            (amount("swap", "swap"), "together"),
        ),
    )

    def panels(self, deal: Deal) -> list[Panel]:
        return [transfers_panel(Transfer.objects.filter(account=deal.account, version=deal.version).order_by("line"))]

    @admin.display(description="all of it")
    def together(self, deal: Deal) -> str:
        whole = deal.profit + deal.commission + deal.swap
        return shown.money(whole, columns.currency_of(deal))


@admin.register(Transfer)
class TransferAdmin(Exported, RecordAdmin):
    list_display = (
        moment("at", "time"), "id", "kind", "figure_amount", "currency", columns.account("debit", "from"),
        columns.account("credit", "to"), "reason", columns.order,
    )  # fmt: skip
    list_display_links = ("id",)
    list_filter = (
        one_of("kind", "kind", lambda: _same(_KINDS)),
        one_of("currency", "currency", lambda: _same(Currency.objects.values_list("code", flat=True))),
        ("at", TimeRange),
    )
    found_in = {
        "order": lambda order_id: Q(order_id=order_id),
        "account": lambda account: Q(account=account),
        "house": lambda account: Q(debit=account) | Q(credit=account),
        "command": lambda command_id: Q(transfer_id=command_id) | search.lines_of_command(command_id),
    }
    fieldsets = (
        _group(None, ("id", exact("at", "time")), (journal_entry, "line")),
        _group(
            "The money",
            ("kind", "sum_moved"),
            (columns.account("debit", "from"), columns.account("credit", "to")),
            (words("reason", "reason"), columns.order),
            (words("transfer_id", "joins two halves"),),
        ),
    )

    def panels(self, transfer: Transfer) -> list[Panel]:
        if not transfer.transfer_id:
            return []
        halves = Transfer.objects.filter(transfer_id=transfer.transfer_id).order_by("at", "id")[:MOST_LINES]
        return [transfers_panel(halves, "Both halves of this movement")]

    @admin.display(description="amount")
    def sum_moved(self, transfer: Transfer) -> str:
        return shown.money(transfer.amount, transfer.currency)

    @admin.display(description="amount")
    def figure_amount(self, transfer: Transfer) -> str:
        return shown.figure(transfer.amount, transfer.currency)


@admin.register(AuditReport)
class AuditReportAdmin(RecordAdmin):
    list_display = (moment("at", "time"), "ended", "accounts", "under_way", "summary")
    list_filter = (one_of("outcome", "outcome", lambda: [(str(key.value), name) for key, name in OUTCOMES.items()]),)
    search_fields = ()
    search_help_text = None
    fieldsets = (_group(None, (exact("at", "time"), "ended"), ("accounts", "under_way"), ("summary",)),)

    def panels(self, report: AuditReport) -> list[Panel]:
        return [
            Panel(
                title="Differences",
                columns=("What differs", "Where", "How"),
                rows=[(what, subject_link(where), how) for what, where, how in report.differences],
                empty="None: book and record say the same.",
            )
        ]

    @display(description="outcome", label=OUTCOME_COLOURS)
    def ended(self, report: AuditReport) -> str:
        return OUTCOMES[Outcome(report.outcome)]
