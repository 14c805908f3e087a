"""Accounts of the four kinds: the list is the record's, the page shows the book beside it, and staff act from there."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import trail
from accounts.admin.access import ByRole, PlainNumbers
from accounts.api import fields as api
from accounts.models import ACCOUNT_MODELS, AccountStatus, TradingAccount
from accounts.once import once
from copytrading.kernel.ids import AccountRef
from orders.admin import live, recent, shown
from orders.admin.acting import act
from orders.admin.action_forms import REASON_LENGTH
from orders.admin.actions import ACCOUNT, MONEY, TRADING, StaffAction, offered_for
from orders.admin.form_fields import StrictFormField
from orders.admin.links import account_url, act_url, order_link

_STATUS_COLOURS = {
    AccountStatus.ACTIVE.label: "success",
    AccountStatus.CLOSE_ONLY.label: "warning",
    AccountStatus.READ_ONLY.label: "warning",
    AccountStatus.DISABLED.label: "danger",
}
_MARGIN_CALL = "in margin call"
#: What the audit log keeps of a new account.
_TERMS = ("owner_id", "group_id", "leverage", "currency", "sending_orders", "status")


class OpeningForm(forms.ModelForm):
    reason = StrictFormField(
        api.TextField(max_length=REASON_LENGTH),
        label="Reason",
        help_text="Why this account is opened, in your words. The audit log keeps it.",
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off", "maxlength": str(REASON_LENGTH)}),
    )


class AccountAdmin(PlainNumbers, ByRole, ModelAdmin):
    """One of the four kinds. An account is opened here; what it is afterwards changes by commits on the book alone."""

    form = OpeningForm
    add_form_template = "admin/change_form.html"
    change_form_before_template = "accounts/once.html"
    change_form_template = "orders/account.html"
    list_display = (
        "account_number", "owner", "group", "figure_balance", "figure_credit", "leverage",
        "sending_orders", "shown_status", "shown_margin_call", "created_at",
    )  # fmt: skip
    list_filter = ("status", "sending_orders", "group", "currency", "margin_called")
    list_select_related = ("owner", "group")
    search_fields = ("account_number", "owner__username", "owner__email")
    search_help_text = "Account (L10000017, live:17), or the owner's name or email."
    autocomplete_fields = ("owner",)
    fields = ("owner", "group", "leverage", "sending_orders", "status", "reason")

    def get_urls(self) -> list[URLPattern]:
        named = f"{self.opts.app_label}_{self.opts.model_name}_act"
        view = self.admin_site.admin_view(partial(act, pages=self))
        return [
            path("<int:account_id>/act/<slug:action>/", view, name=named),
            path("<int:account_id>/act/<slug:action>/<str:order_id>/", view, name=named),
            *super().get_urls(),
        ]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """An account is found by its name in the book too: `live:1`."""
        try:
            named = AccountRef.parse(search_term.strip().lower())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(pk=named.id) if named.kind == self.model.kind else queryset.none(), False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj else self.fields

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None or request.method != "GET" or not self.has_view_permission(request, row):
            return super().change_view(request, object_id, form_url, extra_context)
        context = _page(request, row)
        if "live" in request.GET:
            return TemplateResponse(request, "orders/account_live.html", context)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    @once()
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: TradingAccount, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        terms = {name.removesuffix("_id"): getattr(obj, name) for name in _TERMS}
        reason = form.cleaned_data["reason"]
        trail.note(f"user:{request.user.pk}", "open_account", str(obj.ref), reason=reason, after=terms)

    def response_post_save_add(self, request: HttpRequest, obj: TradingAccount) -> HttpResponse:
        """To its page, where the first deposit is made."""
        return HttpResponseRedirect(account_url(obj.ref))

    @display(description="balance", ordering="balance")
    def figure_balance(self, account: TradingAccount) -> str:
        return shown.money(account.balance, account.currency)

    @display(description="credit", ordering="credit")
    def figure_credit(self, account: TradingAccount) -> str:
        return shown.money(account.credit, account.currency)

    @display(description="margin", ordering="margin_called", label={_MARGIN_CALL: "danger"})
    def shown_margin_call(self, account: TradingAccount) -> str:
        return _MARGIN_CALL if account.margin_called else ""

    @display(description="status", ordering="status", label=_STATUS_COLOURS)
    def shown_status(self, account: TradingAccount) -> str:
        return account.get_status_display()


def _page(request: HttpRequest, row: TradingAccount) -> dict[str, Any]:
    """Everything the account's page shows, or its live part alone."""
    look = live.look_at(row)
    context = {
        "look": look,
        "figures": live.figures(look),
        "notices": list(live.notices(look)),
        "beside": live.beside(look),
        "lines": [_line(request, look, line) for line in live.order_lines(look)],
        "original": row,
        "live_url": f"{account_url(row.ref)}?live",
    }
    if "live" in request.GET:
        return context
    groups = [(label, _links(request, row, listed)) for label, listed in (("Trading", TRADING), ("Money", MONEY))]
    return {
        **context,
        "groups": [group for group in groups if group[1]],
        "account_links": _links(request, row, ACCOUNT),
        "recent": recent.of(row.ref),
    }


def _line(request: HttpRequest, look: live.Look, line: live.OrderLine) -> tuple[Any, ...]:
    """With its link and its buttons; none while the book is away, since what only the record shows may have ended."""
    order = line.order
    buttons = _links(request, look.row, offered_for(order.status), order.order_id) if look.seen else []
    return line, order_link(order.order_id), buttons


def _links(
    request: HttpRequest, row: TradingAccount, listed: Iterable[StaffAction], order_id: str | None = None
) -> list[tuple[StaffAction, str]]:
    return [(each, act_url(row.kind, row.pk, each.name, order_id)) for each in listed if each.may(request)]


admin.site.register(ACCOUNT_MODELS.values(), AccountAdmin)
