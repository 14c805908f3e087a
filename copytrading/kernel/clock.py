"""The only clock of this code base. Every wall time is UTC; every stamp is integer milliseconds."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def from_ms(stamp_ms: int) -> datetime:
    """Exact for every stamp that `to_ms` gives, which no float of seconds is."""
    return _EPOCH + timedelta(milliseconds=stamp_ms)


def to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def monotonic() -> float:
    """Seconds for measuring how long something took; its zero means nothing."""
    return time.monotonic()
