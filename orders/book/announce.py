"""After a commit: hints for the monitors and a word to the recorder.

All of it can be lost without harm: marks tell the sweeper what is missing, and it does this again.
"""

import redis
import structlog

from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from orders.book.account import Changes
from orders.book.connection import Call, ReplyLost, ledger
from orders.book.streams import announcement, holder_news, mark_call
from orders.book.triggers import hint_calls, index_account

_log = structlog.get_logger(__name__)


def after(account: AccountRef, changes: Changes, group: str) -> None:
    """Called once a commit is in the ledger; never fails, since what it says is in the journal."""
    version = changes.portfolio.version
    try:
        if changes.config is None or version == 1:
            _tell(account, changes, group, version)
        else:
            ledger().run(_news(account, changes))
            index_account(account)  # a changed group moves every level to another index
    except (LedgerUnavailable, ReplyLost, redis.exceptions.RedisError) as error:
        _log.warning("announcement_lost", account=str(account), version=version, error=str(error))


def _tell(account: AccountRef, changes: Changes, group: str, version: int) -> None:
    book = ledger()
    calls = [*_news(account, changes), *hint_calls(account, changes.orders, group)]
    marking = [mark_call(account, "index", version, after=version - 1)]
    if book.one_node:  # one pipeline keeps the order: the mark moves only after the hints
        book.run([*calls, *marking])
    else:
        book.run(calls)
        book.run(marking)


def _news(account: AccountRef, changes: Changes) -> list[Call]:
    """For the recorder; and for margin monitors, if the account holds something or its last lots are gone."""
    if changes.portfolio.exposures or changes.deals:
        return [announcement(account), holder_news(account)]
    return [announcement(account)]
