"""Terms, as the broker's staff see and change them: groups, instruments, offers, currencies."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import models as auth
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import hours
from accounts.admin.access import ByRole, PlainNumbers, plain
from accounts.admin.reasons import Reasoned, TermsAdmin, note, values_of
from accounts.models import Currency, Group, GroupInstrument, Instrument

# Django's groups of permissions grant nothing here: the role decides.
admin.site.unregister(auth.Group)
_SWAP_FIELDS = ("swap_kind", "swap_long", "swap_short", "triple_swap_day")


class OfferInline(PlainNumbers, ByRole, TabularInline):
    """The instruments of a group. One is added on its own page, where all its fields are."""

    model = GroupInstrument
    extra = 0
    show_change_link = True
    hide_title = True
    fields = (
        "instrument", "spread_points", "spread_point", "margin_factor",
        "margin_rate", "stops_level", "lot_min", "lot_max",
    )  # fmt: skip
    readonly_fields = ("instrument",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroupInstrument]:
        return super().get_queryset(request).select_related("group", "instrument")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Group)
class GroupAdmin(TermsAdmin):
    noted_as = "group"
    permanent = ("name", "currency", "hedging_mode")
    inlines = (OfferInline,)
    list_display = (
        "name", "currency", "hedging_mode", plain("margin_call_level", "margin call %"),
        plain("stop_out_level", "stop-out %"), "commission", "ignore_hours", "instrument_count",
    )  # fmt: skip
    list_filter = ("currency", "hedging_mode", "ignore_hours")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "currency", "ignore_hours")}),
        ("Margin", {"fields": ("hedging_mode", "margin_call_level", "stop_out_level")}),
        ("Commission", {"fields": ("commission_kind", "commission_rate", "commission_timing")}),
    )

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """The offers changed on this page: each with the reason given, and noted as if changed on its own page."""
        why = form.cleaned_data["why"]
        changed = [each.instance for each in formset.forms if each.has_changed()]
        before = {row.pk: values_of(row) for row in GroupInstrument.objects.filter(pk__in=[row.pk for row in changed])}
        for row in changed:
            row._change_reason = why  # noqa: SLF001  simple_history's
        super().save_formset(request, form, formset, change)
        for row in changed:
            note(request, "configure_offer", offer_subject(row), why, before.get(row.pk), values_of(row))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(offered=Count("instruments"))

    @display(description="commission")
    def commission(self, group: Group) -> str:
        return _commission(group)

    @display(description="instruments", ordering="offered")
    def instrument_count(self, group: Any) -> int:
        return group.offered


@admin.register(GroupInstrument)
class GroupInstrumentAdmin(TermsAdmin):
    noted_as = "offer"
    permanent = ("group", "instrument")
    autocomplete_fields = ("group", "instrument")
    list_display = (
        "instrument", "group", plain("spread_points", "spread"), plain("spread_point", "point"), "commission",
        plain("margin_factor"), plain("margin_rate"), plain("stops_level"), plain("lot_min"), plain("lot_max"),
    )  # fmt: skip
    list_filter = ("group", "instrument__instrument_class")
    list_select_related = ("group", "instrument")
    search_fields = ("instrument__symbol", "group__name")
    fieldsets = (
        (None, {"fields": ("group", "instrument", "lot_min", "lot_max")}),
        ("Prices", {"fields": ("spread_points", "spread_point", "stops_level")}),
        ("Margin", {"fields": ("margin_factor", "margin_rate")}),
        ("Commission", {"fields": ("commission_kind", "commission_rate", "commission_timing")}),
        ("Swap", {"fields": _SWAP_FIELDS}),
    )

    def subject(self, row: GroupInstrument) -> str:
        return offer_subject(row)

    @display(description="commission", empty_value="as the group")
    def commission(self, offer: GroupInstrument) -> str | None:
        return None if offer.commission_rate is None else _commission(offer)


class HoursField(forms.CharField):
    """Sessions, typed and shown as text."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else hours.write(value or ())

    def to_python(self, value: Any) -> Any:
        try:
            return hours.parse(super().to_python(value) or "")
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class InstrumentForm(Reasoned):
    sessions = HoursField(
        label="Trading hours", initial="Sun 17:00-Fri 17:00", max_length=1000,
        help_text='In the time zone: "Sun 17:00-Fri 17:00", several with commas between them, "always" or "never".',
    )  # fmt: skip


@admin.register(Instrument)
class InstrumentAdmin(TermsAdmin):
    noted_as = "instrument"
    form = InstrumentForm
    permanent = (
        "symbol", "instrument_class", "digits", "tick", "contract_size", "hedged_size",
        "base_currency", "profit_currency", "margin_currency",
    )  # fmt: skip
    list_display = (
        "symbol", "description", "instrument_class", plain("tick"), plain("contract_size"), "profit_currency",
        plain("lot_min"), plain("lot_max"), plain("lot_step"), "price_age_ms", "trading_hours",
    )  # fmt: skip
    list_filter = ("instrument_class", "profit_currency")
    list_select_related = ("profit_currency",)
    search_fields = ("symbol", "description")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        typed = "sessions" if self.has_change_permission(request, obj) else "trading_hours"
        return (
            (None, {"fields": ("symbol", "description", "instrument_class")}),
            ("Prices", {"fields": ("digits", "tick", "price_age_ms")}),
            ("Size", {"fields": ("contract_size", "hedged_size", "lot_min", "lot_max", "lot_step")}),
            ("Currencies", {"fields": ("base_currency", "profit_currency", "margin_currency")}),
            ("Hours", {"fields": ("time_zone", typed)}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*super().get_readonly_fields(request, obj), "trading_hours")

    @display(description="trading hours")
    def trading_hours(self, instrument: Instrument) -> str:
        return hours.write(instrument.sessions)


@admin.register(Currency)
class CurrencyAdmin(TermsAdmin):
    noted_as = "currency"
    permanent = ("code", "digits")
    has_history = False
    list_display = ("code", "digits")
    search_fields = ("code",)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def offer_subject(offer: GroupInstrument) -> str:
    return f"offer:{offer.group_id}/{offer.instrument_id}"


def _commission(row: Group | GroupInstrument) -> str:
    return f"{plain('commission_rate')(row)} {row.get_commission_kind_display()}, {row.get_commission_timing_display()}"
