"""Weekly trading hours: their text form, and whether sessions are well formed.

A session is (start, end) in minutes since Monday 00:00 of the instrument's time zone, end
exclusive. Text such as "Sun 17:00-Fri 17:00" may run over the end of the week; the sessions
it stands for are cut there.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from zoneinfo import available_timezones

WEEK = 7 * 24 * 60
DAY = 24 * 60
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ALWAYS = ((0, WEEK),)

_SPAN = re.compile(r"([A-Z][a-z]{2}) ([0-2][0-9]):([0-5][0-9])-([A-Z][a-z]{2}) ([0-2][0-9]):([0-5][0-9])", re.ASCII)


def problem_with(sessions: object) -> str | None:
    """What is wrong with sessions as they are stored, or None."""
    if not isinstance(sessions, list | tuple):
        return "Hours are a list of [start, end] minutes since Monday 00:00."
    previous_end = 0
    for session in sessions:
        if not isinstance(session, list | tuple) or [type(edge) for edge in session] != [int, int]:
            return "Each session is [start, end] in whole minutes since Monday 00:00."
        start, end = session
        if not previous_end <= start < end <= WEEK:
            return f"Sessions must be in order, apart, and between 0 and {WEEK}; [{start}, {end}] is not."
        previous_end = end
    return None


def problem_with_zone(name: str) -> str | None:
    return None if name in _time_zones() else f"{name!r} is no time zone; write one such as America/New_York."


@cache
def _time_zones() -> set[str]:
    return available_timezones()


def write(sessions: Iterable[Sequence[int]]) -> str:
    """ "Sun 17:00-Fri 17:00", "always", or "never" for none."""
    spans = [(start, end) for start, end in sessions]
    if tuple(spans) == ALWAYS:
        return "always"
    if len(spans) > 1 and spans[0][0] == 0 and spans[-1][1] == WEEK:
        spans = [(spans[-1][0], spans[0][1]), *spans[1:-1]]
    return ", ".join(f"{_moment(start)}-{_moment(end)}" for start, end in spans) or "never"


def parse(text: str) -> list[list[int]]:
    """Sessions from text. Raises ValueError whose message says how to write them."""
    written = " ".join(text.split())
    if written in ("always", "never"):
        return [list(span) for span in ALWAYS] if written == "always" else []
    sessions: list[list[int]] = []
    for span in written.split(","):
        start, end = _span(span.strip())
        sessions += [[start, end]] if start < end else [[start, WEEK], [0, end]]
    ordered = sorted(sessions)
    if problem_with(ordered):
        raise ValueError(f"Two sessions of {written!r} overlap; write each minute of the week once.")
    return _joined(ordered)


def _span(text: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(text)
    if match is None or match[1] not in DAYS or match[4] not in DAYS:
        raise ValueError(f'{text!r} is no session; write "Sun 17:00-Fri 17:00", "always" or "never".')
    start, end = (_minute(match[day], match[day + 1], match[day + 2]) for day in (1, 4))
    if start == end:
        raise ValueError(f'{text!r} has no length; write "always" for the whole week.')
    return start, end or WEEK


def _minute(day: str, hour: str, minute: str) -> int:
    if int(hour) > 23:
        raise ValueError(f"{hour}:{minute} is no time of day; write 00:00 to 23:59.")
    return DAYS.index(day) * DAY + int(hour) * 60 + int(minute)


def _moment(minute: int) -> str:
    day, rest = divmod(minute % WEEK, DAY)
    return f"{DAYS[day]} {rest // 60:02}:{rest % 60:02}"


def _joined(sessions: list[list[int]]) -> list[list[int]]:
    """Sessions that touch become one."""
    joined: list[list[int]] = []
    for start, end in sessions:
        if joined and joined[-1][1] == start:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return joined
