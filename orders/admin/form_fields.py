"""Fields of the staff actions' forms. The API's own fields read what is typed: as strictly, and in the same words."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from rest_framework import serializers
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.api import fields as api
from copytrading.kernel import clock, decimals
from copytrading.kernel.ids import AccountRef


class StrictFormField(forms.Field):
    """A field of the API on a form. Blanks around what is typed are dropped, since they come with pasting."""

    def __init__(self, read_by: api.StrictField, **options: Any) -> None:
        self.read_by = read_by
        super().__init__(**{"widget": UnfoldAdminTextInputWidget({"autocomplete": "off"}), **options})

    def to_python(self, value: Any) -> Any:
        typed = value.strip(" \t") if isinstance(value, str) else ""
        if not typed:
            return None
        try:
            return self.read_by.to_internal_value(self.completed(typed))
        except serializers.ValidationError as error:
            raise forms.ValidationError(_sentence(error)) from error

    def completed(self, typed: str) -> str:
        return typed


class NumberField(StrictFormField):
    def __init__(self, read_by: api.PlainDecimalField, **options: Any) -> None:
        widget = UnfoldAdminTextInputWidget({"autocomplete": "off", "inputmode": "decimal"})
        super().__init__(read_by, **{"widget": widget, **options})

    def prepare_value(self, value: Any) -> Any:
        return decimals.text(value) if isinstance(value, Decimal) else value


class MomentField(StrictFormField):
    """A moment in UTC, to the second; milliseconds since 1970."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminTextInputWidget({"type": "datetime-local", "step": "1"})
        super().__init__(api.TimeField(), **{"widget": widget, **options})

    def completed(self, typed: str) -> str:
        """A browser leaves out seconds that are zero, and never names a zone."""
        return f"{typed}:00Z" if typed.count(":") == 1 else f"{typed}Z"

    def prepare_value(self, value: Any) -> Any:
        return f"{clock.from_ms(value):%Y-%m-%dT%H:%M:%S}" if isinstance(value, int) else value


class DestinationField(forms.Field):
    """An account, by its number or as `live:17`."""

    def to_python(self, value: Any) -> AccountRef | None:
        typed = value.strip() if isinstance(value, str) else ""
        if not typed:
            return None
        try:
            return AccountRef.parse(typed) if ":" in typed else AccountRef.of_number(typed.upper())
        except ValueError:
            raise forms.ValidationError("Not an account: write its number, or live:17.") from None


def price(label: str, help_text: str = "", **options: Any) -> NumberField:
    return NumberField(api.PlainDecimalField(max_digits=10), label=label, help_text=help_text, **options)


def lots(help_text: str = "", **options: Any) -> NumberField:
    read_by = api.PlainDecimalField(max_digits=12, max_decimals=8)
    return NumberField(read_by, label="Lots", help_text=help_text, **options)


def level(label: str, **options: Any) -> NumberField:
    return price(label, **{"required": False, **options})


def symbol() -> StrictFormField:
    return StrictFormField(api.SymbolField(), label="Instrument", widget=UnfoldAdminSelectWidget())


def choice(allowed: Iterable[str], label: str, **options: Any) -> StrictFormField:
    listed = [(each, each.replace("_", " ")) for each in allowed]
    widget = UnfoldAdminRadioSelectWidget(choices=listed, radio_style=1)
    return StrictFormField(api.ChoiceField([each for each, _ in listed]), label=label, widget=widget, **options)


def routing() -> StrictFormField:
    return StrictFormField(
        api.RoutingField(), label="Routing of this order", required=False, widget=UnfoldAdminSelectWidget(),
        help_text="Overrides where the account's own setting sends it. The journal keeps that you did.",
    )  # fmt: skip


def amount(help_text: str, sign: str = "positive") -> NumberField:
    return NumberField(api.PlainDecimalField(max_decimals=8, sign=sign), label="Amount", help_text=help_text)


def _sentence(error: serializers.ValidationError) -> str:
    detail = error.detail
    written = str(detail[0]) if isinstance(detail, list) else str(detail)
    return f"{written[:1].upper()}{written[1:]}."
