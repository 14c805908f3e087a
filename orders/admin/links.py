"""Addresses of the admin's pages, and links to them."""

from django.urls import reverse
from django.utils.http import urlencode

from accounts.admin.links import account_link, order_link
from accounts.models import ACCOUNT_MODELS
from copytrading.kernel.ids import AccountRef

__all__ = ["account_link", "account_url", "act_url", "list_url", "order_link"]


def account_url(account: AccountRef) -> str:
    return reverse(f"admin:accounts_{_model_name(account.kind)}_change", args=[account.id])


def act_url(kind: str, account_id: int, action: str, order_id: str | None = None) -> str:
    """The form of a staff action on an account, or on one of its orders."""
    arguments = [account_id, action] if order_id is None else [account_id, action, order_id]
    return reverse(f"admin:accounts_{_model_name(kind)}_act", args=arguments)


def list_url(model_name: str, searched: str) -> str:
    """A list of the record, such as `deal`, of what belongs to one account or order."""
    return f"{reverse(f'admin:orders_{model_name}_changelist')}?{urlencode({'q': searched})}"


def _model_name(kind: str) -> str:
    return str(ACCOUNT_MODELS[kind]._meta.model_name)  # noqa: SLF001  Django's own way to the name
