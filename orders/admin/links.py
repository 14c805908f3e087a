"""Links between the pages of the admin that the record's rows name."""

from django.urls import reverse
from django.utils.http import urlencode

from accounts.admin_links import account_link, order_link

__all__ = ["account_link", "act_url", "order_link"]


def act_url(kind: str, account_id: int, action: str, order_id: str | None = None) -> str:
    """Where `action` is done to an account, or to one of its orders."""
    query = f"?{urlencode({'order': order_id})}" if order_id else ""
    return reverse("admin:act", args=[kind, account_id, action]) + query
