"""Announcements: entries in `queue:*` that say which account has news, never what the news is.

Losing or repeating one costs time only, because every consumer works from its own mark to the version.
"""

from collections.abc import Iterable

from copytrading.kernel.ids import AccountRef
from orders.book import keys
from orders.book.connection import Call, Ledger, Script

_MARK = Script("mark.lua")


def announcement(account: AccountRef) -> Call:
    return keys.QUEUE_RECORD, ("XADD", keys.QUEUE_RECORD, "*", "account", str(account))


def mark_call(account: AccountRef, consumer: str, version: int, after: int | None = None) -> Call:
    """Moves `consumer`'s mark to `version`; with `after`, only from exactly there, so that nothing is skipped."""
    follows = [] if after is None else [str(after)]
    return _MARK.call([keys.marks(account)], [consumer, str(version), *follows])


def read_journal(book: Ledger, account: AccountRef, after: int, count: int = 500) -> list[tuple[int, int, str]]:
    """Entries after version `after`, oldest first: (version, predecessor, body)."""
    key = keys.journal(account)
    entries = book.run([(key, ("XRANGE", key, f"({after}-0", "+", "COUNT", count))])[0]
    return [(int(name.partition("-")[0]), int(values["prev"]), values["body"]) for name, values in entries]


def trim_call(account: AccountRef, marks: dict[str, str]) -> Call | None:
    """Cuts the journal to what some consumer has not dealt with yet."""
    lowest = min(int(marks.get(consumer, "0")) for consumer in keys.CONSUMERS)
    if lowest == 0:
        return None
    key = keys.journal(account)
    return key, ("XTRIM", key, "MINID", f"{lowest + 1}-0")


def versions_and_marks(book: Ledger, accounts: Iterable[AccountRef]) -> list[tuple[AccountRef, int, dict[str, str]]]:
    """(account, version or 0 when not in the book, marks), in one pipeline a node."""
    listed = list(accounts)
    calls: list[Call] = []
    for account in listed:
        calls.append((keys.portfolio(account), ("HGET", keys.portfolio(account), "version")))
        calls.append((keys.marks(account), ("HGETALL", keys.marks(account))))
    answers = book.run(calls)
    return [(account, int(answers[2 * place] or 0), answers[2 * place + 1]) for place, account in enumerate(listed)]
