"""What a word in a search box of the record means, so that each word is one question to one index.

A list says in which column it keeps what; a word that means nothing there finds nothing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from django.db.models import Q, QuerySet

from accounts.models import Instrument, User
from copytrading.kernel.ids import KINDS, AccountRef
from orders.book import codec
from orders.models import JournalEntry

Meaning = Literal["order", "account", "house", "command", "principal", "symbol"]
HELP = "Order id, account (live:17, L10000017), symbol, command id, or who (user:3, a user name)"

_NUMBER = re.compile(r"([LDSC])([1-9][0-9]{7,17})", re.ASCII)
_KIND_OF = {letter.upper(): kind for kind, letter in KINDS.items()}
_COMMAND = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


def found(rows: "QuerySet[Any]", asked: str, columns: Mapping[Meaning, Callable[[str], Q]]) -> "QuerySet[Any]":
    """The rows in which every word of `asked` is found."""
    for word in asked.split():
        meaning, value = meaning_of(word)
        column = columns.get(meaning) if meaning else None
        rows = rows.filter(column(value)) if column else rows.none()
    return rows


def meaning_of(word: str) -> tuple[Meaning | None, str]:
    """(what it names, how the record writes that)."""
    if word.startswith("ord_"):
        return "order", word
    if account := _account(word):
        return "account", str(account)
    if ":" in word:
        return ("house" if word.startswith("house:") else "principal"), word
    if _COMMAND.fullmatch(word):
        return "command", word
    if Instrument.objects.filter(pk=word.upper()).exists():
        return "symbol", word.upper()
    user = User.objects.filter(username=word).only("pk").first()
    return ("principal", f"user:{user.pk}") if user else (None, word)


def _account(word: str) -> AccountRef | None:
    """From `live:17`, or from the account's number L10000017."""
    if match := _NUMBER.fullmatch(word.upper()):
        account_id = int(match[2]) - 10_000_000
        return AccountRef(_KIND_OF[match[1]], account_id) if account_id else None
    try:
        return AccountRef.parse(word.lower())
    except ValueError:
        return None


def commits_of(command_id: str) -> list[tuple[str, int]]:
    """(account, version) of what the command did. A command between two accounts has a commit on each."""
    return list(JournalEntry.objects.filter(command_id=command_id).values_list("account", "version")[:10])


def lines_of_command(command_id: str) -> Q:
    """Deals or transfers that the command made."""
    made = Q(pk__in=[])
    for account, version in commits_of(command_id):
        made |= Q(account=account, version=version)
    return made


def orders_of_command(command_id: str) -> Q:
    """Orders that the command made or changed."""
    bodies = JournalEntry.objects.filter(command_id=command_id).values_list("body", flat=True)[:10]
    return Q(pk__in=[order["order_id"] for body in bodies for order in codec.from_json(body)["orders"]])
