"""Lists of tables that only grow: newest first, and no page costs more because the table became longer."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time
from functools import cached_property
from typing import Any

import psycopg2.errors
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import Paginator
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter
from unfold.views import ChangeList

#: How long the database may look for one page.
PATIENCE_MS = 5_000
_TOO_LONG = "That is too much to look through. Search for an account or an order, or choose a shorter time."


class BoundedPaginator(Paginator):
    """Counts as far as `MOST` and says "more than" beyond; what lies further back is reached by filters and time."""

    MOST = 10_000
    template_name = "accounts/pagination.html"

    @cached_property
    def counted(self) -> int:
        rows: Any = self.object_list
        return rows.order_by().values("pk")[: self.MOST + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.counted, self.MOST)

    @property
    def more(self) -> bool:
        return self.counted > self.MOST


class NewestFirst(ChangeList):
    """Whatever the address asks for: any other order would have the database sort the whole table."""

    def get_ordering(self, request: HttpRequest, queryset: "QuerySet[Any]") -> Any:
        self.params.pop(ORDER_VAR, None)
        return super().get_ordering(request, queryset)


class BoundedList:
    """Mixed into the page of such a table. A search that would take too long ends in a sentence, not in a hang."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER  # a count for each choice of each filter
    sortable_by: tuple[str, ...] = ()
    list_filter_submit = True
    list_fullwidth = True

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return NewestFirst

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", [PATIENCE_MS])
                listed = super().get_changelist_instance(request)  # type: ignore[misc]
                self.prepare(list(listed.result_list))
        except OperationalError as error:
            if not isinstance(error.__cause__, psycopg2.errors.QueryCanceled):
                raise
            messages.error(request, _TOO_LONG)
            raise IncorrectLookupParameters from error
        if not (listed.query or listed.has_active_filters):
            listed.full_result_count = listed.result_count  # so that no link offers to show what is shown
        return listed

    def prepare(self, rows: list[Any]) -> None:
        """Whatever one question can fetch for all rows of the page."""


class TimeRange(RangeDateTimeFilter):
    """From and to, in UTC; a date without a time means the whole day."""

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        try:
            first = self._moment("from", time.min)
            last = self._moment("to", time.max)
        except ValueError as error:
            messages.error(request, "Write the date as 2026-01-31 and the time as 14:03:05, in UTC.")
            raise IncorrectLookupParameters from error
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": first})
        return queryset.filter(**{f"{self.field_path}__lte": last}) if last else queryset

    def _moment(self, end: str, otherwise: time) -> datetime | None:
        day = self.used_parameters.get(f"{self.parameter_name}_{end}_0")
        clock = self.used_parameters.get(f"{self.parameter_name}_{end}_1")
        if not day:
            return None
        at = time.fromisoformat(clock) if clock else otherwise
        if end == "to" and clock:
            at = at.replace(microsecond=999_999)  # to the end of that second
        return datetime.combine(datetime.strptime(day, "%Y-%m-%d").date(), at, UTC)  # noqa: DTZ007  combined with UTC


def one_of(field: str, title: str, values: Callable[[], Iterable[tuple[str, str]]]) -> type[DropdownFilter]:
    """A filter on a column, whose choices are known: asking the table for them would read all of it."""

    class OneOf(DropdownFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return list(values())

        def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
            return queryset.filter(**{field: self.value()}) if self.value() else queryset

    OneOf.title = title
    return OneOf
