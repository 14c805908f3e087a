"""Stamps and moments are the same thing, to the millisecond."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from copytrading.kernel import clock

LAST_MS = 253_402_300_799_999


@given(st.integers(0, LAST_MS))
def test_a_stamp_is_a_moment_and_back(stamp_ms: int) -> None:
    moment = clock.from_ms(stamp_ms)

    assert clock.to_ms(moment) == stamp_ms
    assert clock.to_ms(moment + timedelta(microseconds=999)) == stamp_ms
    assert moment.microsecond == stamp_ms % 1000 * 1000


def test_the_last_moment_a_calendar_has() -> None:
    assert clock.from_ms(LAST_MS).isoformat() == "9999-12-31T23:59:59.999000+00:00"
