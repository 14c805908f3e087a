"""Sessions move with the clock of their own exchange."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.terms import TradingHours
from orders.rules.hours import is_open, market_open, next_open_ms, seconds_until, utc_text
from tests.rules.terms_for_tests import ALWAYS, NEVER, NEW_YORK, NOW, make_terms

WEDNESDAY = 2 * 1440
BERLIN = TradingHours("Europe/Berlin", ((WEDNESDAY + 480, WEDNESDAY + 720), (WEDNESDAY + 780, WEDNESDAY + 1050)))
MONDAY = TradingHours("UTC", ((540, 600),))


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
    assert is_open(BERLIN, ms(moment)) is expected


@pytest.mark.parametrize(
    ("hours", "moment", "opens"),
    [
        # The weekend of New York, in winter and in summer.
        (NEW_YORK, "2026-01-16T22:00", "2026-01-18T22:00"),
        (NEW_YORK, "2026-01-17T12:00", "2026-01-18T22:00"),
        (NEW_YORK, "2026-01-18T21:59:59.999", "2026-01-18T22:00"),
        (NEW_YORK, "2026-07-17T21:00", "2026-07-19T21:00"),
        # Clocks go forward, and back, while the market is closed: it closed by the old clock and opens by the new.
        (NEW_YORK, "2026-03-06T22:00", "2026-03-08T21:00"),
        (NEW_YORK, "2026-03-08T06:59:59.999", "2026-03-08T21:00"),
        (NEW_YORK, "2026-03-08T07:00", "2026-03-08T21:00"),
        (NEW_YORK, "2026-10-30T21:00", "2026-11-01T22:00"),
        (NEW_YORK, "2026-11-01T05:30", "2026-11-01T22:00"),
        (NEW_YORK, "2026-11-01T06:30", "2026-11-01T22:00"),
        # A break at noon, the rest of the week, and a week in between whose clocks change.
        (BERLIN, "2026-01-14T06:59:59.999", "2026-01-14T07:00"),
        (BERLIN, "2026-01-14T11:00", "2026-01-14T12:00"),
        (BERLIN, "2026-01-14T16:30", "2026-01-21T07:00"),
        (BERLIN, "2026-03-25T16:30", "2026-04-01T06:00"),
        (BERLIN, "2026-10-21T15:30", "2026-10-28T07:00"),
        # Asked in a session, it is the next one; a moment at which one begins is no moment after it.
        (BERLIN, "2026-01-14T07:00", "2026-01-14T12:00"),
        (MONDAY, "2026-01-11T23:59:59.999", "2026-01-12T09:00"),
        (MONDAY, "2026-01-12T09:00", "2026-01-19T09:00"),
        (MONDAY, "2026-01-18T23:59:59.999", "2026-01-19T09:00"),
        # What is always open begins with each week, as its hours are written.
        (ALWAYS, "2026-01-14T12:00", "2026-01-19T00:00"),
    ],
)
def test_when_a_market_opens_next(hours, moment, opens):
    assert next_open_ms(hours, ms(moment)) == ms(opens)


def test_a_market_without_sessions_never_opens():
    assert next_open_ms(NEVER, NOW) is None


@given(
    zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe"]),
    edges=st.lists(st.integers(0, 6 * 1440), min_size=2, max_size=8, unique=True).map(sorted),
    minute=st.integers(0, 366 * 1440),
)
def test_the_next_opening_opens_and_nothing_opens_before_it(zone, edges, minute):
    """From Monday to Saturday; Sunday, when clocks change, is closed."""
    hours = TradingHours(zone, tuple(zip(edges[::2], edges[1::2], strict=False)))
    moment = ms("2026-01-05T00:00") + minute * 60_000
    opens = next_open_ms(hours, moment)
    assert opens > moment
    assert is_open(hours, opens)
    if not is_open(hours, moment):
        assert not any(is_open(hours, between) for between in range(moment, opens, 600_000))
        assert not is_open(hours, opens - 1)


def test_always_and_never():
    week = range(NOW, NOW + 7 * 86_400_000, 3_600_000)
    assert all(is_open(ALWAYS, moment) for moment in week)
    assert not any(is_open(NEVER, moment) for moment in week)


def test_a_group_may_ignore_hours():
    assert not market_open(make_terms(hours=NEVER), NOW)
    assert market_open(make_terms(hours=NEVER, ignore_hours=True), NOW)


def test_a_moment_is_written_in_utc():
    assert utc_text(NOW) == "2026-01-14T12:00:00.000Z"
    assert utc_text(NOW + 7) == "2026-01-14T12:00:00.007Z"


def test_who_waits_the_seconds_told_is_not_too_early():
    assert [seconds_until(NOW + more, NOW) for more in (1, 999, 1000, 1001)] == [1, 1, 1, 2]
