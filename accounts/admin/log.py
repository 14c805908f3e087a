"""The audit log: who did what to what, when, why, with what it was before and after."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.admin.access import ReadOnly, exact, moment, words
from accounts.admin.links import names_of, principal_link, subject_link
from accounts.admin.lists import BoundedList, TimeRange, one_of
from accounts.models import AuditEntry, User
from accounts.trail import DONE
from copytrading.kernel.ids import AccountRef, account_of


class Refused(one_of("outcome", "outcome", lambda: (("done", "done"), ("refused", "refused, or in part")))):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        match self.value():
            case "done":
                return queryset.filter(outcome=DONE)
            case "refused":
                return queryset.exclude(outcome=DONE)
        return queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, BoundedList, ModelAdmin):
    list_display = (moment("at", "time"), "who", "act", "about", "came_of_it", "why")
    list_display_links = ("act",)
    counted_as = "in the audit log"
    list_filter = (Refused, ("at", TimeRange))
    search_fields = ("pk",)  # shows the box; what a word finds stands below
    search_help_text = (
        "Who (user:3, a user name), account (live:17, L10000017), order id, group:demo, or action (configure_group)"
    )
    change_form_outer_after_template = "accounts/difference.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    (exact("at", "time"), "who"),
                    ("act", "about"),
                    ("came_of_it", "why"),
                    (words("address", "from"), words("request", "request")),
                )
            },
        ),
    )
    readonly_fields = ("who", "act", "about", "came_of_it", "why")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        for word in search_term.split():
            ids = User.objects.filter(username=word).values_list("pk", flat=True)
            named = Q(principal=word) | Q(principal__in=[f"user:{pk}" for pk in ids])
            queryset = queryset.filter(named | _about(word) | Q(action=word))
        return queryset, False

    def prepare(self, rows: list[Any]) -> None:
        names = names_of([name for entry in rows for name in (entry.principal, entry.subject)])
        for entry in rows:
            entry.names = names

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        entry = self.get_object(request, object_id)
        told = {} if entry is None else _compared(entry)
        return super().change_view(request, object_id, form_url, told | (extra_context or {}))

    @admin.display(description="by")
    def who(self, entry: Any) -> SafeString:
        return principal_link(entry.principal, _names(entry))

    @admin.display(description="did")
    def act(self, entry: AuditEntry) -> str:
        return entry.action.replace("_", " ")

    @admin.display(description="to")
    def about(self, entry: AuditEntry) -> SafeString:
        return subject_link(entry.subject, _names(entry))

    @display(description="outcome", label={DONE: "success"})
    def came_of_it(self, entry: AuditEntry) -> str:
        return entry.outcome

    @admin.display(description="why")
    def why(self, entry: AuditEntry) -> str:
        return entry.reason or "-"


def _about(word: str) -> Q:
    """An account also by its number. An order was opened on its account, so there its opening is looked for."""
    if account := account_of(word):
        born = Q(subject=str(account), action__in=("open", "place"), after__order_id=word)
        return Q(subject=word) | born
    try:
        return Q(subject=str(AccountRef.of_number(word.upper())))
    except ValueError:
        return Q(subject=word)


def _names(entry: Any) -> dict[str, str]:
    """Whoever the entry names, asked once, for a whole list by `prepare`."""
    if not hasattr(entry, "names"):
        entry.names = names_of([entry.principal, entry.subject])
    found: dict[str, str] = entry.names
    return found


def _compared(entry: AuditEntry) -> dict[str, Any]:
    """What differs between before and after, and what does not, as lines of (name, before, after)."""
    before, after = dict(_flat(entry.before)), dict(_flat(entry.after))
    lines = [(name, before.get(name, ""), after.get(name, "")) for name in {**before, **after}]
    return {
        "differing": [line for line in lines if line[1] != line[2]],
        "same": [line for line in lines if line[1] == line[2]],
        "nothing_kept": not lines,
    }


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf with its path, so that two trees can be laid side by side."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif value is not None:
        yield path or "value", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
