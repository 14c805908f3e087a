"""After a commit: hints for the monitors and a word to the recorder.

All of it can be lost without harm: marks tell the sweeper what is missing, and it does this again.
"""

import structlog

from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from orders.book.account import Changes
from orders.book.connection import ReplyLost, ledger
from orders.book.streams import announcement, mark_call
from orders.book.triggers import hint_calls

_log = structlog.get_logger(__name__)


def after(account: AccountRef, changes: Changes, group: str) -> None:
    """Called once a commit is in the ledger; never fails, since what it says is in the journal."""
    version = changes.portfolio.version
    book = ledger()
    calls = [announcement(account)]
    marking = []
    if changes.config is None:  # a changed group moves every level: left to the index consumer, by its mark
        calls.extend(hint_calls(account, (*changes.born, *changes.changed), group))
        marking.append(mark_call(account, "index", version, after=version - 1))
    try:
        if book.one_node:  # one pipeline keeps the order: the mark moves only after the hints
            book.run([*calls, *marking])
        else:
            book.run(calls)
            book.run(marking)
    except (LedgerUnavailable, ReplyLost) as error:
        _log.warning("announcement_lost", account=str(account), version=version, error=str(error))
