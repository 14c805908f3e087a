"""The only clock of this code base. Every wall time is UTC; every stamp is integer milliseconds."""

import time
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    return datetime.now(UTC)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def from_ms(stamp_ms: int) -> datetime:
    return datetime.fromtimestamp(stamp_ms / 1000, UTC)


def to_ms(moment: datetime) -> int:
    return (moment - from_ms(0)) // timedelta(milliseconds=1)


def monotonic() -> float:
    """Seconds for measuring how long something took; its zero means nothing."""
    return time.monotonic()
