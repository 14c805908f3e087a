"""Addresses of the admin's pages, and safe HTML links to them."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.models import ACCOUNT_MODELS
from copytrading.kernel.ids import AccountRef


def account_url(account: AccountRef) -> str:
    return reverse(f"admin:accounts_{_model_name(account.kind)}_change", args=[account.id])


def account_link(ref_text: str) -> str:
    """`live:17` leads to its page; a house account has none and is plain text."""
    try:
        account = AccountRef.parse(ref_text)
    except ValueError:
        return ref_text
    return _link(account_url(account), ref_text)


def order_link(order_id: str) -> SafeString:
    return _link(reverse("admin:orders_order_change", args=[order_id]), order_id)


def act_url(kind: str, account_id: int, action: str, order_id: str | None = None) -> str:
    """The form of a staff action on an account, or on one of its orders."""
    arguments = [account_id, action] if order_id is None else [account_id, action, order_id]
    return reverse(f"admin:accounts_{_model_name(kind)}_act", args=arguments)


def list_url(model_name: str, searched: str) -> str:
    """A list of the record, such as `deal`, of what belongs to one account or order."""
    return f"{reverse(f'admin:orders_{model_name}_changelist')}?{urlencode({'q': searched})}"


def _model_name(kind: str) -> str:
    return str(ACCOUNT_MODELS[kind]._meta.model_name)  # noqa: SLF001  Django's own way to the name


def _link(url: str, text: str) -> SafeString:
    return format_html('<a href="{}" class="text-link">{}</a>', url, text)
