"""Sessions move with the clock of their own exchange."""

from datetime import UTC, datetime

import pytest

from accounts.terms import TradingHours
from orders.rules.hours import is_open, market_open, utc_text
from tests.rules.terms_for_tests import ALWAYS, NEVER, NEW_YORK, NOW, make_terms


def ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # New York keeps UTC-5 in winter: the week ends on Friday and begins on Sunday at 22:00 UTC.
        ("2026-01-16T21:59:59.999", True),
        ("2026-01-16T22:00", False),
        ("2026-01-17T12:00", False),
        ("2026-01-18T21:59:59.999", False),
        ("2026-01-18T22:00", True),
        ("2026-01-19T05:00", True),
        # Clocks go forward on Sunday, 8 March 2026: the Friday before still ends at 22:00, the week opens at 21:00.
        ("2026-03-06T21:59", True),
        ("2026-03-06T22:00", False),
        ("2026-03-08T20:59", False),
        ("2026-03-08T21:00", True),
        ("2026-03-13T20:59", True),
        ("2026-03-13T21:00", False),
        # And back on Sunday, 1 November 2026.
        ("2026-10-30T20:59", True),
        ("2026-10-30T21:00", False),
        ("2026-11-01T21:00", False),
        ("2026-11-01T22:00", True),
    ],
)
def test_the_forex_week_of_new_york(moment, expected):
    assert is_open(NEW_YORK, ms(moment)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-01-14T06:59", False),
        ("2026-01-14T07:00", True),
        ("2026-01-14T11:00", False),  # the break at noon
        ("2026-01-14T12:00", True),
        ("2026-01-14T16:30", False),
        ("2026-01-15T08:00", False),
    ],
)
def test_a_day_of_two_sessions(moment, expected):
    wednesday = 2 * 1440
    hours = TradingHours("Europe/Berlin", ((wednesday + 480, wednesday + 720), (wednesday + 780, wednesday + 1050)))
    assert is_open(hours, ms(moment)) is expected


def test_always_and_never():
    week = range(NOW, NOW + 7 * 86_400_000, 3_600_000)
    assert all(is_open(ALWAYS, moment) for moment in week)
    assert not any(is_open(NEVER, moment) for moment in week)


def test_a_group_may_ignore_hours():
    assert not market_open(make_terms(hours=NEVER), NOW)
    assert market_open(make_terms(hours=NEVER, ignore_hours=True), NOW)


def test_a_moment_is_written_in_utc():
    assert utc_text(NOW) == "2026-01-14T12:00:00Z"
