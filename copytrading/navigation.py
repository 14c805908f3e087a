"""What stands at the left of every page of the admin: whoever may not see a page does not see its entry."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

#: Group -> entries: title, icon, and the model whose list it leads to, or the name of an address.
_ENTRIES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Trading": (
        ("Live", "account_balance_wallet", "accounts.LiveAccount"),
        ("Demo", "school", "accounts.DemoAccount"),
        ("Strategy providers", "campaign", "accounts.StrategyProviderAccount"),
        ("Copy followers", "group_add", "accounts.CopyFollowerAccount"),
        ("Orders", "receipt_long", "orders.Order"),
        ("Deals", "handshake", "orders.Deal"),
        ("Transfers", "currency_exchange", "orders.Transfer"),
        ("Journal", "menu_book", "orders.JournalEntry"),
    ),
    "Terms": (
        ("Groups", "workspaces", "accounts.Group"),
        ("Instruments", "candlestick_chart", "accounts.Instrument"),
        ("Offers", "sell", "accounts.GroupInstrument"),
        ("Currencies", "attach_money", "accounts.Currency"),
    ),
    "Operations": (
        ("Operations", "monitor_heart", "admin:operations"),
        ("Halts", "front_hand", "accounts.Halt"),
        ("Book audits", "fact_check", "orders.AuditReport"),
        ("Audit log", "history_edu", "accounts.AuditEntry"),
        ("Periodic tasks", "schedule", "django_celery_beat.PeriodicTask"),
    ),
    "People": (
        ("Users", "person", "accounts.User"),
        ("API keys", "key", "accounts.ApiKey"),
        ("Log-ins", "login", "knox.AuthToken"),
    ),
}


def entries(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that have something to show to whoever asks."""
    first = {"items": [{"title": "Dashboard", "icon": "dashboard", "link": reverse("admin:index")}]}
    groups: list[dict[str, Any]] = [first]
    for title, listed in _ENTRIES.items():
        shown = [
            {"title": name, "icon": icon, "link": link} for name, icon, of in listed if (link := _link(request, of))
        ]
        if shown:
            groups.append({"title": title, "separator": True, "items": shown})
    return groups


def _link(request: HttpRequest, target: str) -> str | None:
    """Where the entry leads, None where it may not."""
    if ":" in target:
        try:
            return reverse(target)
        except NoReverseMatch:
            return None
    model = apps.get_model(target)
    if not (admin.site.is_registered(model) and admin.site.get_model_admin(model).has_view_permission(request)):
        return None
    label, name = target.lower().split(".")
    return reverse(f"admin:{label}_{name}_changelist")
