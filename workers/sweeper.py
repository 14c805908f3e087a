"""sweeper: finishes what a crash left half told.

It compares every account's version with its marks and announces again what lags, indexes what was not
indexed, finishes transfers under way, opens restarted ledger nodes for trading after checking them, and
trims the streams of news by age.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping

from django.db import DatabaseError
from structlog.contextvars import bound_contextvars

from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef
from orders.book import guard, keys
from orders.book.account import NotInBook
from orders.book.connection import Call, ledger
from orders.book.streams import announcement, versions_and_marks
from orders.book.triggers import index_account
from orders.book.work import dead_letters
from orders.verbs.money import finish_transfer
from workers.base import Worker

LAG_S = 2.0
REFRESH_S = 30.0
#: How long news is kept for monitors that are behind: of levels, and of holders, who are many and all read each minute.
NEWS_LIFE_MS = 600_000
HOLDER_NEWS_LIFE_MS = 60_000
#: With so many announcements waiting, and one an account, nothing is announced again.
CROWD = 10_000
_PAUSE_S = 0.5


class Sweeper(Worker):
    """One step looks at up to 500 accounts."""

    name = "sweeper"
    _listed_at = float("-inf")
    _faults: tuple[str, ...] = ()

    def prepare(self) -> None:
        self._behind: dict[tuple[AccountRef, str], tuple[int, float]] = {}
        self._walk: Iterator[list[AccountRef]] | None = None
        self._lagging = 0

    def lag(self) -> dict[str, str]:
        return {"lag": str(self._lagging)}

    def step(self) -> bool:
        faults = tuple(guard.clear())
        if faults != self._faults:  # said once, not with every look
            self._faults = faults
            gravity = logging.CRITICAL if faults else logging.INFO
            self._log.log(gravity, "ledger_checked", faults=faults[:20], count=len(faults))
        if faults:
            self.stop.wait(_PAUSE_S)
            return False
        if self._walk is None:
            self._walk = self._begin_pass()
        batch = next(self._walk, None)
        if batch is None:
            self._walk, self._lagging = None, len(self._behind)
            self.stop.wait(_PAUSE_S)
            return False
        self._sweep(batch)
        return True

    def _begin_pass(self) -> Iterator[list[AccountRef]]:
        """All accounts, in batches."""
        self._list_accounts()
        for key, life_ms in ((keys.QUEUE_LEVELS, NEWS_LIFE_MS), (keys.QUEUE_ACCOUNTS, HOLDER_NEWS_LIFE_MS)):
            ledger().run([(key, ("XTRIM", key, "MINID", "~", f"{clock.now_ms() - life_ms}-0"))])
        # While nobody records, telling again would only fill the stream.
        waiting = ledger().run([(keys.QUEUE_RECORD, ("XLEN", keys.QUEUE_RECORD))])[0]
        self._crowded = int(waiting) > max(CROWD, len(self._accounts))
        self._parked = {letter.fields.get("account") for letter in dead_letters(ledger(), "record")}
        return iter([self._accounts[at : at + guard.PIPELINE] for at in range(0, len(self._accounts), guard.PIPELINE)])

    def _list_accounts(self) -> None:
        """The list is kept while PostgreSQL is away: sweeping goes on without it."""
        if clock.monotonic() - self._listed_at < REFRESH_S:
            return
        try:
            self._accounts = [account for account, _ in guard.entered_accounts()]
            self._listed_at = clock.monotonic()
        except DatabaseError as error:
            if not hasattr(self, "_accounts"):
                raise
            self._log.warning("accounts_not_listed", error=str(error))

    def _sweep(self, batch: list[AccountRef]) -> None:
        leaving = ledger().run([_under_way(account) for account in batch])
        for (account, version, marks), transfers in zip(versions_and_marks(ledger(), batch), leaving, strict=True):
            with bound_contextvars(account=str(account)):
                try:
                    self._mend(account, version, marks, transfers)
                except (InvariantBroken, NotInBook) as error:  # one broken account must not hold the others up
                    self._log.critical("account_broken", error=str(error), advice="run audit")

    def _mend(self, account: AccountRef, version: int, marks: Mapping[str, str], transfers: Iterable[str]) -> None:
        for transfer_id in transfers:
            arrived = finish_transfer(account, transfer_id)
            self._log.info("transfer_finished", transfer=transfer_id, arrived=arrived)
        for consumer in keys.CONSUMERS:
            if consumer == "record" and (self._crowded or str(account) in self._parked):
                continue  # a parked one's journal waits for whoever retries the dead letter
            mark = int(marks.get(consumer, "0"))
            if self._lags(account, consumer, mark, version):
                self._tell_again(account, consumer, mark)

    def _lags(self, account: AccountRef, consumer: str, mark: int, version: int) -> bool:
        """Behind, and at the same mark for LAG_S: a mark that moves is somebody at work."""
        if mark >= version:
            self._behind.pop((account, consumer), None)
            return False
        seen, since = self._behind.setdefault((account, consumer), (mark, clock.monotonic()))
        if seen != mark:
            self._behind[account, consumer] = (mark, clock.monotonic())
            return False
        return clock.monotonic() - since >= LAG_S

    def _tell_again(self, account: AccountRef, consumer: str, mark: int) -> None:
        self._log.info("told_again", behind=consumer, mark=mark)
        self._behind.pop((account, consumer), None)
        if consumer == "index":
            index_account(account)
        else:
            ledger().run([announcement(account)])


def _under_way(account: AccountRef) -> Call:
    return keys.transfers(account), ("HKEYS", keys.transfers(account))
