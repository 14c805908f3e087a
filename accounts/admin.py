"""Users, keys, accounts and terms, as the broker's staff see them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import models as auth
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import hours
from accounts.admin_access import ByRole, PlainNumbers, ReadOnly, TermsAdmin, configures, plain
from accounts.models import (
    ACCOUNT_MODELS,
    AccountStatus,
    ApiKey,
    Currency,
    Group,
    GroupInstrument,
    Instrument,
    Role,
    TradingAccount,
    User,
)
from copytrading.kernel import clock

# Django's groups of permissions grant nothing here: the role decides.
admin.site.unregister(auth.Group)

_ROLE_COLOURS = {
    Role.SUPPORT.label: "info",
    Role.DEALER.label: "warning",
    Role.ADMINISTRATOR.label: "danger",
}
_STATUS_COLOURS = {
    AccountStatus.ACTIVE.label: "success",
    AccountStatus.CLOSE_ONLY.label: "warning",
    AccountStatus.READ_ONLY.label: "warning",
    AccountStatus.DISABLED.label: "danger",
}
_SWAP_FIELDS = ("swap_kind", "swap_long", "swap_short", "triple_swap_day")


class ApiKeyInline(ReadOnly, TabularInline):
    model = ApiKey
    extra = 0
    fields = ("prefix", "name", "scopes", "expires_at", "revoked_at", "last_used_at")


@admin.register(User)
class UserAdmin(ByRole, DjangoUserAdmin, ModelAdmin):
    """People. A superuser's row is changed by superusers only, or a password set here would make one of anybody."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "shown_role", "email", "first_name", "last_name", "is_active", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email", "first_name", "last_name")
    ordering = ("username",)
    readonly_fields = ("last_login", "date_joined", "is_superuser")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "role", "is_active", "is_superuser")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Times", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "email", "role", "password1", "password2")}),)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        beyond = isinstance(obj, User) and obj.is_superuser and not getattr(request.user, "is_superuser", False)
        return configures(request) and not beyond

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[type[TabularInline]]:
        return [ApiKeyInline] if obj else []

    @display(description="role", ordering="role", label=_ROLE_COLOURS)
    def shown_role(self, user: User) -> str:
        return user.get_role_display()


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ModelAdmin):
    """Keys are made by `manage.py create_api_key`, which shows the secret once. Neither it nor its hash is shown."""

    list_display = ("prefix", "name", "user", "scopes", "created_at", "expires_at", "last_used_at", "usable")
    list_filter = (("expires_at", admin.DateFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("prefix", "name", "user__username")
    fields = ("prefix", "name", "user", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("user",)
    actions = ("revoke",)

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        for key in keys:
            key.revoke()
        self.message_user(request, f"{len(keys)} keys open nothing any more.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return configures(request)

    @display(description="usable", boolean=True)
    def usable(self, key: ApiKey) -> bool:
        return key.usable_at(clock.now())


class AccountAdmin(ByRole, ModelAdmin):
    """One of the four kinds. An account is opened here; what it is afterwards changes by commits on the book alone."""

    list_display = (
        "account_number", "owner", "group", "shown_balance", plain("credit"), "leverage",
        "sending_orders", "shown_status", "shown_margin_call", "created_at",
    )  # fmt: skip
    list_filter = ("status", "sending_orders", "group", "currency", "margin_called")
    list_select_related = ("owner", "group")
    search_fields = ("account_number", "owner__username", "owner__email")
    autocomplete_fields = ("owner",)
    add_fieldsets = ((None, {"fields": ("owner", "group", "leverage", "sending_orders", "status")}),)
    fieldsets = (
        (None, {"fields": ("account_number", "owner", "created_at")}),
        ("Terms", {"fields": ("group", "leverage", "currency", "sending_orders", "status")}),
        ("As recorded", {"fields": ("shown_balance", "shown_credit", "margin_called", "recorded_version")}),
        ("Book", {"fields": ("book_ledger_id", "book_entered_at")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description="balance", ordering="balance")
    def shown_balance(self, account: TradingAccount) -> str:
        return f"{plain('balance')(account)} {account.currency}"

    @display(description="credit", ordering="credit")
    def shown_credit(self, account: TradingAccount) -> str:
        return f"{plain('credit')(account)} {account.currency}"

    @display(description="margin", ordering="margin_called", label="danger")
    def shown_margin_call(self, account: TradingAccount) -> str:
        return "in margin call" if account.margin_called else ""

    @display(description="status", ordering="status", label=_STATUS_COLOURS)
    def shown_status(self, account: TradingAccount) -> str:
        return account.get_status_display()


admin.site.register(ACCOUNT_MODELS.values(), AccountAdmin)


class OfferInline(PlainNumbers, ByRole, TabularInline):
    """The instruments of a group. One is added on its own page, where all its fields are."""

    model = GroupInstrument
    extra = 0
    show_change_link = True
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


class InstrumentForm(forms.ModelForm):
    sessions = HoursField(
        label="Trading hours", initial="Sun 17:00-Fri 17:00", max_length=1000,
        help_text='In the time zone: "Sun 17:00-Fri 17:00", several with commas between them, "always" or "never".',
    )  # fmt: skip


@admin.register(Instrument)
class InstrumentAdmin(TermsAdmin):
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
    permanent = ("code", "digits")
    list_display = ("code", "digits")
    search_fields = ("code",)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _commission(row: Group | GroupInstrument) -> str:
    return f"{plain('commission_rate')(row)} {row.get_commission_kind_display()}, {row.get_commission_timing_display()}"
