"""Announcements: entries in `queue:*` that say which account has news, never what the news is.

Losing or repeating one costs time only, because every consumer works from its own mark to the version.
News is for monitors: streams that each of them reads for itself, and that the sweeper trims by age.
"""

from collections.abc import Iterable
from typing import Any

from copytrading.kernel.ids import AccountRef
from orders.book import keys
from orders.book.connection import Call, Ledger, Script

_MARK = Script("mark.lua")


def announcement(account: AccountRef) -> Call:
    return keys.QUEUE_RECORD, ("XADD", keys.QUEUE_RECORD, "*", "account", str(account))


def holder_news(account: AccountRef) -> Call:
    """Tells running margin monitors to look at an account that holds something, or held it until now."""
    return keys.QUEUE_ACCOUNTS, ("XADD", keys.QUEUE_ACCOUNTS, "*", "account", str(account))


def news_from(book: Ledger, queue: str, last_ms: int) -> str:
    """The place from which `read_news` gives the last so many milliseconds of a stream again, and all after them."""
    newest: Any = book.node_of(queue).xrevrange(queue, count=1)
    at_ms = int(str(newest[0][0]).partition("-")[0]) if newest else 0
    return f"{max(0, at_ms - last_ms)}-0"


def read_news(book: Ledger, queue: str, after: str, most: int) -> list[tuple[str, dict[str, str]]]:
    """(place, fields) of what was told after that place; every reader has its own."""
    read: Any = book.node_of(queue).xread({queue: after}, count=most)
    if not read:
        return []
    entries = next(iter(read.values())) if isinstance(read, dict) else read[0][1]
    return entries[0] if entries and isinstance(entries[0], list) else entries  # by protocol


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
