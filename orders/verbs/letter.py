"""What people do with dead letters: back into the queue, or away. Noted in the audit log with what was in them."""

import re
from collections.abc import Callable
from dataclasses import asdict

from accounts import trail
from orders.book import work
from orders.book.connection import Ledger, ledger
from orders.book.work import DeadLetter

_STREAM_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.ASCII)


def retry(queue: str, letter_id: str, by: str, reason: str = "") -> DeadLetter | None:
    """Worked off once more. None when the letter is gone; then nothing was done."""
    return _deal("retry_letter", work.retry, queue, letter_id, by, reason)


def discard(queue: str, letter_id: str, by: str, reason: str = "") -> DeadLetter | None:
    """Never worked off. None when the letter is gone; then nothing was done."""
    return _deal("discard_letter", work.discard, queue, letter_id, by, reason)


def _deal(
    action: str, do: Callable[[Ledger, DeadLetter], bool], queue: str, letter_id: str, by: str, reason: str
) -> DeadLetter | None:
    if queue not in work.QUEUES or not _STREAM_ID.fullmatch(letter_id):
        return None
    letter = work.dead_letter(ledger(), queue, letter_id)
    if letter is None or not do(ledger(), letter):
        return None
    trail.note(by, action, f"queue:{queue}", reason=reason, before=asdict(letter))
    return letter
