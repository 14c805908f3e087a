"""Who may do what in the admin: bases of every admin page of terms and accounts.

The role decides, not Django's permission table: staff look at everything, administrators
configure, and nobody deletes, since orders and money refer to what was.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import DecimalField, Model
from django.http import HttpRequest, HttpResponse
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from accounts import catalogue
from accounts.models import Role
from accounts.models.user import STAFF_ROLES
from copytrading.kernel import decimals


class ByRole:
    """Permissions of a page or an inline."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return looks(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return looks(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return configures(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return configures(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnly(ByRole):
    """Looked at here, changed elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PlainNumber(forms.DecimalField):
    """Shows 0.0001, not 0.0001000000."""

    def prepare_value(self, value: Any) -> Any:
        return decimals.text(value) if isinstance(value, Decimal) else value


class PlainNumbers:
    """Numbers of a page or an inline without the zeros that only fill the column, to type and to read."""

    opts: Any
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        DecimalField: {"form_class": PlainNumber, "widget": UnfoldAdminDecimalFieldWidget}
    }

    @property
    def readonly_preprocess_fields(self) -> dict[str, Callable[[str], str]]:
        return {field.name: _unfilled for field in self.opts.fields if isinstance(field, DecimalField)}


class TermsAdmin(PlainNumbers, ByRole, SimpleHistoryAdmin, ModelAdmin):
    """A page that changes terms: keeps their history and has every process read them again."""

    #: Fields that keep the value they were created with.
    permanent: tuple[str, ...] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(self.permanent if obj else ()))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        catalogue.announce_change()

    def history_form_view(self, request: HttpRequest, object_id: str, version_id: str, **context: Any) -> HttpResponse:
        """Old versions are for looking: posting one would save it whole, past every permission but that to look."""
        if request.method != "GET":
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, **context)

    def revert_disabled(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True


def looks(request: HttpRequest) -> bool:
    return _role(request) in STAFF_ROLES


def deals(request: HttpRequest) -> bool:
    return _role(request) in (Role.DEALER, Role.ADMINISTRATOR)


def configures(request: HttpRequest) -> bool:
    return _role(request) == Role.ADMINISTRATOR


def plain(field: str, description: str | None = None) -> Callable[[Any], str]:
    """A column for a number field, without the zeros that only fill it; empty for none."""

    @admin.display(description=description or field.replace("_", " "), ordering=field)
    def column(row: Any) -> str:
        value = getattr(row, field)
        return "" if value is None else decimals.text(value)

    return column


def _unfilled(shown: str) -> str:
    """The text of a number as Django writes it, or what stands there for none."""
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _role(request: HttpRequest) -> str:
    return getattr(request.user, "role", "")
