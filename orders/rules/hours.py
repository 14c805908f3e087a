"""When an instrument's market is open: weekly sessions on the wall clock of their own time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from accounts.terms import Terms, TradingHours

_MINUTES_A_DAY = 24 * 60


def is_open(hours: TradingHours, moment_ms: int) -> bool:
    """Whether `moment_ms` (UTC) falls into a session. A session moves with daylight saving, as its exchange does."""
    local = datetime.fromtimestamp(moment_ms // 1000, ZoneInfo(hours.time_zone))
    minute = local.weekday() * _MINUTES_A_DAY + local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in hours.sessions)


def market_open(terms: Terms, moment_ms: int) -> bool:
    """Whether an account on these terms may trade then; a group that ignores hours always may."""
    return terms.ignore_hours or is_open(terms.hours, moment_ms)


def next_open_ms(hours: TradingHours, moment_ms: int) -> int | None:
    """The first moment after `moment_ms` at which a session begins; None if none ever does."""
    local = datetime.fromtimestamp(moment_ms // 1000, ZoneInfo(hours.time_zone))
    # Sums of such times are read off the wall clock, as sessions are.
    monday = local.replace(hour=0, minute=0, second=0, fold=0) - timedelta(days=local.weekday())
    begins = (
        int((monday + timedelta(days=7 * week, minutes=start)).timestamp()) * 1000
        for week in (0, 1)
        for start, _ in hours.sessions
    )
    return min((begin for begin in begins if begin > moment_ms), default=None)


def utc_text(moment_ms: int) -> str:
    """A moment as every answer writes it: 2026-03-08T21:00:00.000Z."""
    return f"{datetime.fromtimestamp(moment_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03}Z"


def seconds_until(moment_ms: int, now_ms: int) -> int:
    """Rounded up, so that whoever waits so long does not come too early."""
    return -((now_ms - moment_ms) // 1000)
