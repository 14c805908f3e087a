"""Who may do what in the admin: bases of every admin page of terms and accounts.

The role decides, not Django's permission table: staff look at everything, administrators
configure, and nobody deletes, since orders and money refer to what was.
"""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import DecimalField, IntegerField, Model
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminIntegerFieldWidget

from accounts import access
from accounts.models import Role
from accounts.models.user import STAFF_ROLES
from copytrading.kernel import decimals

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_NOT_PLAIN = "Write a number in plain digits, such as 1250.5."
_NOT_WHOLE = "Write a whole number in plain digits, such as 100."


class ByRole:
    """Permissions of a page or an inline. A list is called by what it lists, not by what may be chosen there."""

    opts: Any

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        called = {"title": capfirst(str(self.opts.verbose_name_plural))}
        return super().changelist_view(request, called | (extra_context or {}))  # type: ignore[misc]

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
    """Shows 0.0001, not 0.0001000000, and takes plain digits alone, as the forms of the staff actions do."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip() and decimals.parse_plain(value.strip(" \t")) is None:
            raise forms.ValidationError(_NOT_PLAIN)
        return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        return decimals.text(value) if isinstance(value, Decimal) else value


class PlainInteger(forms.IntegerField):
    """Takes plain digits alone."""

    def to_python(self, value: Any) -> int | None:
        if isinstance(value, str) and value.strip() and not _WHOLE.fullmatch(value.strip(" \t")):
            raise forms.ValidationError(_NOT_WHOLE)
        return super().to_python(value)


class PlainNumbers:
    """Numbers of a page or an inline without the zeros that only fill the column, to type and to read."""

    opts: Any
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        DecimalField: {"form_class": PlainNumber, "widget": UnfoldAdminDecimalFieldWidget},
        IntegerField: {"form_class": PlainInteger, "widget": UnfoldAdminIntegerFieldWidget},
    }

    @property
    def readonly_preprocess_fields(self) -> dict[str, Callable[[str], str]]:
        return {field.name: _unfilled for field in self.opts.fields if isinstance(field, DecimalField)}


def looks(request: HttpRequest) -> bool:
    return _role(request) in STAFF_ROLES


def deals(request: HttpRequest) -> bool:
    """Whether whoever asks acts as the broker: on every account, whoever owns it."""
    return access.DEALER in access.scopes_of_role(_role(request))


def configures(request: HttpRequest) -> bool:
    return _role(request) == Role.ADMINISTRATOR


def who(request: HttpRequest) -> str:
    """How journal and audit log name the person at this page."""
    return f"user:{request.user.pk}"


def plain(field: str, description: str | None = None) -> Callable[[Any], str]:
    """A column for a number field, without the zeros that only fill it; empty for none."""

    @admin.display(description=description or field.replace("_", " "), ordering=field)
    def column(row: Any) -> str:
        value = getattr(row, field)
        return "" if value is None else decimals.text(value)

    column.__name__ = f"figure_{field}"  # the style sheet puts figures to the right
    return column


def moment(field: str, description: str) -> Callable[[Any], str]:
    """A column for a time, to the second."""

    @admin.display(description=f"{description}, UTC", ordering=field)
    def column(row: Any) -> str:
        value = getattr(row, field)
        return f"{value:%Y-%m-%d %H:%M:%S}" if value else "-"

    column.__name__ = f"moment_{field}"
    return column


def exact(field: str, description: str) -> Callable[[Any], str]:
    """A time to the millisecond, for the page of one row."""

    @admin.display(description=description)
    def shown(row: Any) -> str:
        return exactly(getattr(row, field))

    return shown


def words(field: str, description: str) -> Callable[[Any], str]:
    """Words that may be missing, for the page of one row."""

    @admin.display(description=description)
    def shown(row: Any) -> str:
        return getattr(row, field) or "-"

    return shown


def exactly(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} UTC" if at else "-"


def _unfilled(shown: str) -> str:
    """The text of a number as Django writes it, or what stands there for none."""
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _role(request: HttpRequest) -> str:
    return getattr(request.user, "role", "")
