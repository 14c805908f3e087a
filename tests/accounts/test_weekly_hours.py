"""The text form of trading hours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import hours


@pytest.mark.parametrize(
    ("text", "sessions"),
    [
        ("always", [[0, 10080]]),
        ("never", []),
        ("Sun 17:00-Fri 17:00", [[0, 6780], [9660, 10080]]),
        ("Mon 00:00-Mon 12:30", [[0, 750]]),
        ("Mon 01:10-Mon 22:00, Tue 01:10-Tue 22:00", [[70, 1320], [1510, 2760]]),
        ("Sat 22:00-Mon 00:00", [[8520, 10080]]),
        ("Sat 22:00-Mon 00:01, Tue 00:00-Tue 01:00", [[0, 1], [1440, 1500], [8520, 10080]]),
    ],
)
def test_written_and_read(text: str, sessions: list[list[int]]) -> None:
    assert hours.parse(text) == sessions
    assert hours.write(sessions) == text


def test_read_as_people_type_it() -> None:
    assert hours.parse("  Tue 00:00-Tue 01:00,Mon 00:00-Tue  00:00 ") == [[0, 1500]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no session"),
        ("Monday 01:00-Tue 01:00", "is no session"),
        ("Moo 01:00-Tue 01:00", "is no session"),
        ("Mon 24:00-Tue 01:00", "24:00 is no time of day"),
        ("Mon 01:60-Tue 01:00", "is no session"),
        ("Mon 01:00-Mon 01:00", "has no length"),
        ("Mon 01:00-Mon 03:00, Mon 02:00-Mon 04:00", "overlap"),
        ("Sun 17:00-Fri 17:00, Mon 00:00-Mon 01:00", "overlap"),
        ("Mon ٠١:00-Tue 01:00", "is no session"),
    ],
)
def test_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        hours.parse(text)


@given(st.lists(st.integers(0, 10080), unique=True).map(sorted))
def test_whatever_is_written_reads_the_same(edges: list[int]) -> None:
    sessions = [[start, end] for start, end in zip(edges[::2], edges[1::2], strict=False)]
    assert hours.problem_with(sessions) is None
    assert hours.parse(hours.write(sessions)) == sessions
