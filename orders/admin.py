"""The record, to be looked at: orders, deals, transfers, journal, audits. Nothing here can be changed by hand."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from accounts.admin_access import ReadOnly, plain
from orders.models import AuditReport, Deal, JournalEntry, Order, Transfer


class RecordAdmin(ReadOnly, ModelAdmin):
    """Newest first, in pages that need no count of all rows."""

    show_full_result_count = False
    list_per_page = 50

    def get_readonly_fields(self, request: Any, obj: Model | None = None) -> tuple[str, ...]:
        return tuple(field.name for field in self.model._meta.fields)  # noqa: SLF001  Django's own way to the fields


@admin.register(Order)
class OrderAdmin(RecordAdmin):
    list_display = (
        "order_id", "account", "symbol", "order_type", "status", plain("lots"), plain("open_lots"),
        plain("open_price"), plain("close_price"), plain("profit"), "reason", "created_at",
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
    list_filter = ("verb",)
    search_fields = ("=account", "=command_id", "=principal")


@admin.register(AuditReport)
class AuditReportAdmin(RecordAdmin):
    list_display = ("at", "outcome", "accounts", "summary")
    fields = ("at", "outcome", "accounts", "summary", "found")

    @admin.display(description="Differences")
    def found(self, report: AuditReport) -> SafeString:
        return format_html_join("", "{}: {}: {}<br>", report.differences) or SafeString("none")

    def get_readonly_fields(self, request: Any, obj: Model | None = None) -> tuple[str, ...]:
        return (*super().get_readonly_fields(request, obj), "found")
