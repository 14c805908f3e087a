"""The record, to be looked at: orders, deals, transfers, journal, audits. Nothing here can be changed by hand."""

from typing import Any

from django.contrib import admin
from django.db.models import DecimalField, Model
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from accounts.admin_access import ReadOnly, plain
from orders.audit import Outcome
from orders.models import AuditReport, Deal, JournalEntry, Order, Transfer


class RecordAdmin(ReadOnly, ModelAdmin):
    """Newest first, in pages that need no count of all rows."""

    show_full_result_count = False
    list_per_page = 50

    def get_fields(self, request: Any, obj: Model | None = None) -> tuple[Any, ...]:
        """Every column; numbers without the zeros that only fill a column."""
        columns = self.model._meta.fields  # noqa: SLF001  Django's own way to the columns
        return tuple(plain(field.name) if isinstance(field, DecimalField) else field.name for field in columns)

    def get_readonly_fields(self, request: Any, obj: Model | None = None) -> tuple[Any, ...]:
        return self.get_fields(request, obj)


@admin.register(Order)
class OrderAdmin(RecordAdmin):
    list_display = (
        "order_id", "account", "symbol", "order_type", "status", plain("lots"), plain("open_lots"),
        plain("order_price"), plain("open_price"), plain("close_price"), plain("profit"), "reason", "created_at",
    )  # fmt: skip
    list_filter = ("status", "order_type", "flow", "symbol")
    search_fields = ("order_id", "=account", "=symbol")


@admin.register(Deal)
class DealAdmin(RecordAdmin):
    list_display = (
        "at", "account", "order_id", "entry", "side", plain("lots"), "symbol", plain("price"),
        plain("profit"), plain("commission"),
    )  # fmt: skip
    list_filter = ("entry", "side", "symbol")
    search_fields = ("=order_id", "=account", "=symbol")


@admin.register(Transfer)
class TransferAdmin(RecordAdmin):
    list_display = ("at", "kind", plain("amount"), "currency", "debit", "credit", "reason", "order_id")
    list_filter = ("kind", "currency")
    search_fields = ("=debit", "=credit", "=order_id", "=transfer_id")


@admin.register(JournalEntry)
class JournalEntryAdmin(RecordAdmin):
    list_display = ("at", "account", "version", "verb", "principal", "command_id")
    ordering = ("-at", "-version")
    list_filter = ("verb",)
    search_fields = ("=account", "=command_id", "=principal")


@admin.register(AuditReport)
class AuditReportAdmin(RecordAdmin):
    list_display = ("at", "ended", "accounts", "summary")

    @admin.display(description="Differences")
    def found(self, report: AuditReport) -> SafeString:
        return format_html_join("", "{}: {}: {}<br>", report.differences) or SafeString("none")

    @admin.display(description="Outcome")
    def ended(self, report: AuditReport) -> str:
        return Outcome(report.outcome).name.lower()

    def get_fields(self, request: Any, obj: Model | None = None) -> tuple[Any, ...]:
        return ("at", "ended", "accounts", "under_way", "summary", "found")
