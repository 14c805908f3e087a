"""Pages that change rows ask why, and every change goes to the audit log: who, what, why, before and after."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from simple_history.admin import SimpleHistoryAdmin
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import catalogue, trail
from accounts.admin.access import ByRole, PlainNumbers, who
from copytrading.kernel import decimals

LONGEST_REASON = 200
_UNCHANGED = "Nothing was changed: what was sent is what holds already."

Values = dict[str, Any]


class ReasonField(forms.CharField):
    """Why, in the words of whoever does it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label="Why", max_length=LONGEST_REASON, widget=UnfoldAdminTextInputWidget,
            help_text="Kept in the audit log with your name, the time, and what it was before and after.", **options,
        )  # fmt: skip


class Reasoned(forms.ModelForm):
    """A form that asks why."""

    why = ReasonField()


class Noted(ModelAdmin):
    """A page whose changes are noted. Its forms have a field `why`, shown below everything else."""

    form = Reasoned
    change_form_after_template = "accounts/why.html"
    #: What the audit log calls such a row: "group" makes `configure_group` of `group:demo`.
    noted_as: ClassVar[str]
    #: Columns that no log may hold, or that say nothing.
    unnoted: ClassVar[frozenset[str]] = frozenset()

    def act(self, change: bool) -> str:
        return f"configure_{self.noted_as}"

    def subject(self, row: Any) -> str:
        return f"{self.noted_as}:{row.pk}"

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        if change and not _changed(form):
            return
        before = self._values(self.model._default_manager.get(pk=obj.pk)) if change else None  # noqa: SLF001  Django's
        obj._change_reason = form.cleaned_data["why"]  # type: ignore[attr-defined]  # noqa: SLF001  simple_history's
        super().save_model(request, obj, form, change)
        note(request, self.act(change), self.subject(obj), form.cleaned_data["why"], before, self._values(obj))

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Asked after everything was saved, when it is known whether that was anything."""
        untouched = not (add or _changed(form) or any(each.has_changed() for each in formsets or ()))
        request.nothing_changed = untouched  # type: ignore[attr-defined]
        return super().construct_change_message(request, form, formsets, add)

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        if not getattr(request, "nothing_changed", False):
            return super().response_change(request, obj)
        self.message_user(request, _UNCHANGED, messages.WARNING)
        return self.response_post_save_change(request, obj)

    def _values(self, row: Model) -> Values:
        return {name: value for name, value in values_of(row).items() if name not in self.unnoted}


class PlainHistory(HistoricalRecordContextHelper):
    """Numbers as they are typed, and "none" for none."""

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        prepared = super().prepare_delta_change_value(change, value)
        if isinstance(prepared, Decimal):
            return decimals.text(prepared)
        return "none" if prepared in (None, "") else prepared


class TermsAdmin(PlainNumbers, ByRole, SimpleHistoryAdmin, Noted):
    """A page that changes terms: keeps their history and has every process read them again."""

    #: Fields that keep the value they were created with.
    permanent: tuple[str, ...] = ()
    #: False for rows that never change.
    has_history: ClassVar[bool] = True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(self.permanent if obj else ()))

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return super().changeform_view(
            request, object_id, form_url, {"show_history": self.has_history, **(extra_context or {})}
        )

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        if not self.has_history:
            raise Http404
        return super().history_view(request, object_id, extra_context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        catalogue.announce_change()

    def history_form_view(self, request: HttpRequest, object_id: str, version_id: str, **context: Any) -> HttpResponse:
        """Old versions are for looking: posting one would save it whole, past every permission but that to look."""
        if not self.has_history:
            raise Http404
        if request.method != "GET":
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, **context)

    def get_historical_record_context_helper(self, request: HttpRequest, historical_record: Any) -> "PlainHistory":
        return PlainHistory(self.model, historical_record)

    def revert_disabled(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True


def _changed(form: Any) -> bool:
    return bool(set(form.changed_data) - {"why"})


def note(
    request: HttpRequest, act: str, subject: str, why: str, before: Values | None = None, after: Values | None = None
) -> None:
    """One entry of the audit log, of what differs; none when a form was saved that changed nothing."""
    if before is not None and before == after:
        return
    was, became = differences(before, after)
    trail.note(who(request), act, subject, reason=why, before=was, after=became)


def differences(before: Values | None, after: Values | None) -> tuple[Values | None, Values | None]:
    """What differs; of a row that is new or gone, whatever it holds."""
    if before is None or after is None:
        return tuple(  # type: ignore[return-value]
            one and {name: value for name, value in one.items() if value not in (None, "")} for one in (before, after)
        )
    differing = [name for name in before if before[name] != after.get(name)]
    return {name: before[name] for name in differing}, {name: after.get(name) for name in differing}


def values_of(row: Model) -> Values:
    """Its columns as JSON holds them: numbers in plain digits."""
    return {field.name: _plainly(getattr(row, field.attname)) for field in row._meta.concrete_fields}  # noqa: SLF001


def _plainly(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimals.text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str | list | Mapping) else str(value)
