"""Lists of the record as CSV or XLSX: what the list's filters and search leave, at most `MOST` rows."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import tablib
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from import_export.admin import ExportMixin
from import_export.formats.base_formats import CSV
from import_export.resources import ModelResource, modelresource_factory
from unfold.contrib.import_export.forms import ExportForm

from accounts import trail
from accounts.admin.access import looks, who
from copytrading.kernel import decimals
from orders.admin.spreadsheet import Spreadsheet

MOST = 100_000
_CHUNK = 2_000


class PlainResource(ModelResource):
    """Column for column, without an object for each row and field: tens of thousands of rows in seconds."""

    def export(self, queryset: "QuerySet[Any] | None" = None, **_: Any) -> tablib.Dataset:
        assert queryset is not None
        names = [field.attname for field in self.Meta.model._meta.concrete_fields]  # noqa: SLF001  Django's own
        written = tablib.Dataset(headers=names)
        for row in queryset.values_list(*names).iterator(chunk_size=_CHUNK):
            written.append([plainly(value) for value in row])
        return written


class Exported(ExportMixin):
    """Mixed into the admin page of a list. Every export is noted."""

    resource_classes: ClassVar[list[type]] = []
    export_form_class = ExportForm
    export_formats: ClassVar[list[type]] = [CSV, Spreadsheet]
    model: Any
    opts: Any

    def has_export_permission(self, request: HttpRequest) -> bool:
        return looks(request)

    def get_export_resource_classes(self, request: HttpRequest) -> list[type]:
        return [modelresource_factory(self.model, resource_class=PlainResource)]

    def export_action(self, request: HttpRequest) -> HttpResponse:
        """Refused before anything is written, with what to do, when there is more than a sheet should hold."""
        if looks(request) and self._more_than_a_sheet(request):
            told = f"These are more than {MOST:,} {self.opts.verbose_name_plural}."
            messages.error(request, f"{told} Choose a shorter time or an account, then export.")
            page = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            return HttpResponseRedirect(f"{page}?{request.GET.urlencode()}")
        return super().export_action(request)

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: Any, **kwargs: Any) -> Any:
        exported = super().get_export_data(file_format, request, queryset, **kwargs)
        asked = {name: values[-1] for name, values in request.GET.lists()}
        kept = {"format": file_format.get_title(), "of": asked}
        trail.note(who(request), "export", str(self.opts.verbose_name_plural), after=kept)
        return exported

    def _more_than_a_sheet(self, request: HttpRequest) -> bool:
        rows = self.get_export_queryset(request).order_by().values("pk")
        return len(rows[MOST : MOST + 1]) > 0


def plainly(value: Any) -> str:
    """A cell. Numbers in plain digits, times in UTC; text never begins like a formula."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return decimals.text(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03}"
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
