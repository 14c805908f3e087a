"""Links from what a row names (an account, an order, who did it) to the page that shows it.

Pages are named, not imported, so that this room may link to those above it. What names no page is plain text.
"""

import re
from collections.abc import Iterable
from typing import Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.models import ApiKey, User, model_of
from copytrading.kernel.ids import AccountRef, account_of

_NUMBERED = re.compile(r"(user|key):([1-9][0-9]{0,17})", re.ASCII)


def link(page: str, key: Any, text: str) -> SafeString:
    """To the page of one row: `page` is its name in the admin, such as "orders_order"."""
    address = reverse(f"admin:{page}_change", args=[quote(key)])
    return format_html('<a href="{}" class="text-link">{}</a>', address, text)


def account_link(ref_text: str) -> SafeString:
    """`live:17` as a link to that account; a house account, or what is none, as text."""
    try:
        ref = AccountRef.parse(ref_text)
    except ValueError:
        return conditional_escape(ref_text)
    return link(f"accounts_{model_of(ref.kind).__name__.lower()}", ref.id, ref_text)


def order_link(order_id: str) -> SafeString:
    """Empty for "", text for what is no order id."""
    return link("orders_order", order_id, order_id) if account_of(order_id) else conditional_escape(order_id)


def names_of(principals: Iterable[str]) -> dict[str, str]:
    """How people call them: the user name of `user:3`, the name of `key:8`; two queries, however many are asked."""
    asked: dict[str, set[int]] = {"user": set(), "key": set()}
    for principal in principals:
        if match := _NUMBERED.fullmatch(principal):
            asked[match[1]].add(int(match[2]))
    users = User.objects.filter(pk__in=asked["user"]).values_list("pk", "username") if asked["user"] else ()
    keys = ApiKey.objects.filter(pk__in=asked["key"]).values_list("pk", "name") if asked["key"] else ()
    return {f"user:{pk}": name for pk, name in users} | {f"key:{pk}": name for pk, name in keys}


def principal_link(principal: str, names: dict[str, str] | None = None) -> SafeString:
    """Who it was, by name, as a link to the user or key. `names` saves the question when many are shown."""
    names = names_of([principal]) if names is None else names
    match = _NUMBERED.fullmatch(principal)
    if match is None or principal not in names:
        return conditional_escape(principal)
    page = "accounts_user" if match[1] == "user" else "accounts_apikey"
    return format_html("{} <small>{}</small>", link(page, match[2], names[principal]), principal)


#: Rows that are called by their key.
_PAGES = {
    "group": "accounts_group",
    "instrument": "accounts_instrument",
    "currency": "accounts_currency",
    "task": "django_celery_beat_periodictask",
    "crontab": "django_celery_beat_crontabschedule",
    "interval": "django_celery_beat_intervalschedule",
}


def subject_link(subject: str, names: dict[str, str] | None = None) -> SafeString:
    """What an entry of the audit log is about: an account, an order, `group:demo`, `user:3`, `offer:demo/EURUSD`."""
    if account_of(subject):
        return order_link(subject)
    kind, _, name = subject.partition(":")
    if kind in _PAGES and name:
        return link(_PAGES[kind], name, subject)
    if kind == "offer":
        group, _, symbol = name.partition("/")
        query = urlencode({"q": f"{group} {symbol}"})
        page = reverse("admin:accounts_groupinstrument_changelist")
        return format_html('<a href="{}?{}" class="text-link">{}</a>', page, query, subject)
    return principal_link(subject, names) if _NUMBERED.fullmatch(subject) else account_link(subject)
