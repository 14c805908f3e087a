"""Recordings found in folders, merged, looped and paced on a clock that the test moves."""

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.feed.test_formats import at, lean, table
from workers.feed.formats import FormatError, Tick
from workers.feed.pace import due
from workers.feed.replay import find, shifted
from workers.feed.simulate import Simulated, simulate
from workers.feed.source import SHIPPED, Source, beside, parse, play

START = 1_000_000


def tick(moment_ms: int, symbol: str = "EURUSD") -> Tick:
    return Tick(moment_ms, symbol, D("1.1"), D("1.2"))


def moments(*passes: Sequence[int], speed: float = 1.0) -> list[int]:
    played = shifted([[tick(moment) for moment in one_pass] for one_pass in passes], START, speed)
    return [each.moment_ms - START for each in played]


class Clock:
    """Time stands still unless someone waits, or `work` is added by hand; `waited` keeps every wait, in ms."""

    def __init__(self) -> None:
        self.now_ms = 5_000.0
        self.waited: list[float] = []

    def monotonic(self) -> float:
        return self.now_ms / 1_000

    def wait(self, seconds: float) -> bool:
        self.waited.append(round(seconds * 1_000, 3))
        self.now_ms += seconds * 1_000
        return False


def batches(clock: Clock, *at_ms: int) -> Iterator[list[int]]:
    for batch in due([tick(START + moment) for moment in at_ms], START, 200, clock.monotonic, clock.wait):
        yield [each.moment_ms - START for each in batch]


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (1.0, [0, 500, 10_500, 11_500, 11_500]),
        (10.0, [0, 50, 1_050, 1_150, 1_150]),
        (0.5, [0, 1_000, 21_000, 23_000, 23_000]),
    ],
)
def test_gaps_are_kept_up_to_ten_seconds_and_divided_by_the_speed(speed: float, expected: list[int]) -> None:
    assert moments([7, 507, 10_507, 20_508, 20_508], speed=speed) == expected


def test_the_next_pass_follows_after_a_second() -> None:
    assert moments([50, 60], [50, 60], [50, 60]) == [0, 10, 1_010, 1_020, 2_020, 2_030]


def test_a_tick_behind_stays_behind_and_moves_nobody_else() -> None:
    assert moments([0, 100, 40, 99, 200]) == [0, 100, 40, 99, 200]
    assert moments([0, 100, 99, 200], speed=10) == [0, 10, 9, 20]  # still behind, however quick


def test_a_recording_without_ticks_ends_the_loop() -> None:
    with pytest.raises(FormatError, match="no ticks at all"):
        moments([])


def test_a_folder_is_merged_by_time_on_the_days_all_symbols_have(tmp_path: Path) -> None:
    lean(tmp_path / "oanda/tick/eurusd/20140501_quote.zip", "1,1.1,1.2")
    lean(tmp_path / "oanda/tick/eurusd/20140502_quote.zip", "10,1.1,1.2", "30,1.1,1.2")
    lean(tmp_path / "oanda/tick/eurusd/20140505_quote.zip", "5,1.1,1.2")
    lean(tmp_path / "oanda/tick/xauusd/20140502_quote.zip", "20,1300,1301", symbol="xauusd")
    lean(tmp_path / "oanda/tick/xauusd/20140505_quote.zip", "4,1300,1301", symbol="xauusd")
    lean(tmp_path / "oanda/minute/eurusd/20140502_quote.zip", "0,1,1,1,1,0,1,1,1,1,0", kind="minute")
    recording = find(tmp_path)
    assert recording.symbols == ("EURUSD", "XAUUSD")
    friday, monday = at("2014-05-02"), at("2014-05-05")
    assert [(each.symbol, each.moment_ms) for each in recording.ticks()] == [
        ("EURUSD", friday + 10), ("XAUUSD", friday + 20), ("EURUSD", friday + 30),
        ("XAUUSD", monday + 4), ("EURUSD", monday + 5),
    ]  # fmt: skip
    assert [each.symbol for each in recording.only({"XAUUSD"}).ticks()] == ["XAUUSD", "XAUUSD"]


def test_days_that_never_meet_are_all_played(tmp_path: Path) -> None:
    lean(tmp_path / "eurusd/20140501_quote.zip", "1,1.1,1.2")
    table(tmp_path / "usdjpy-2013.csv", "timestamp,bid,ask", "2013-01-01 22:00:00+00:00,86.6,86.7")
    assert [each.symbol for each in find(tmp_path).ticks()] == ["USDJPY", "EURUSD"]


def test_a_folder_with_two_venues_is_refused(tmp_path: Path) -> None:
    for venue in ("oanda", "fxcm"):
        lean(tmp_path / venue / "20140501_quote.zip", "1,1.1,1.2")
    with pytest.raises(FormatError, match="EURUSD lies in fxcm and in oanda; give the folder of one venue"):
        find(tmp_path)


def test_a_source_that_is_not_there_or_empty_says_so(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file or folder"):
        find(tmp_path / "nothing")
    with pytest.raises(FormatError, match="no tick file in this folder"):
        find(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Source(SHIPPED)),
        ("simulated", Source(None)),
        ("/a/b.zip", Source(Path("/a/b.zip"))),
        ("replay:/a/b.zip@10", Source(Path("/a/b.zip"), 10.0)),
        ("/a@home/b", Source(Path("/a@home/b"))),
        ("/a/b@0.5", Source(Path("/a/b"), 0.5)),
    ],
)
def test_how_a_source_is_written(text: str, expected: Source) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("factor", ["0", "-1", "nan", "inf"])
def test_a_speed_that_plays_nothing_is_refused(factor: str) -> None:
    with pytest.raises(FormatError, match="a number above 0"):
        parse(f"/a/b@{factor}")


def test_simulated_ticks_run_beside_recorded_ones_and_end_with_them() -> None:
    made_up = (tick(moment, "USDJPY") for moment in itertools.count(0, 40))
    assert [(each.moment_ms, each.symbol[:3]) for each in beside([tick(50), tick(45), tick(100)], made_up)] == [
        (0, "USD"), (40, "USD"), (50, "EUR"), (45, "EUR"), (80, "USD"), (100, "EUR"),
    ]  # fmt: skip


def test_a_recording_loops_until_told_to_play_once(tmp_path: Path) -> None:
    recording = find(lean(tmp_path / "20140501_quote.zip", "0,1.1,1.2", "100,1.1,1.2"))
    forever = play(recording, iter(()), 1.0, START, once=False)
    assert [each.moment_ms - START for each in itertools.islice(forever, 5)] == [0, 100, 1_100, 1_200, 2_200]
    assert len(list(play(recording, iter(()), 1.0, START, once=True))) == 2


def test_simulation_once_is_one_tick_of_each() -> None:
    instruments = [Simulated(symbol, D("0.00001"), "forex", 10_000) for symbol in ("EURUSD", "GBPUSD")]
    made_up = simulate(instruments, {}, 1, START)
    assert [each.symbol for each in play(None, made_up, 1.0, START, once=True)] == ["EURUSD", "GBPUSD"]


def test_ticks_come_when_they_are_due() -> None:
    clock = Clock()
    came = [(batch, clock.now_ms - 5_000) for batch in batches(clock, 0, 0, 300, 1_000)]
    assert came == [([0, 0], 0), ([300], 300), ([1_000], 1_000)]
    assert clock.waited == [300, 700]


def test_a_burst_goes_out_in_batches_of_ten_milliseconds() -> None:
    clock = Clock()
    assert list(batches(clock, *range(1, 31))) == [list(range(1, 11)), list(range(11, 21)), list(range(21, 31))]
    assert clock.waited == [10, 10, 10]


def test_a_batch_is_never_longer_than_its_limit() -> None:
    assert [len(batch) for batch in batches(Clock(), *[0] * 201)] == [200, 1]


def test_a_long_silence_is_told_each_second() -> None:
    clock = Clock()
    assert list(batches(clock, 0, 2_500)) == [[0], [], [], [2_500]]
    assert clock.waited == [1_000, 1_000, 500]


def test_after_a_long_stop_the_schedule_gives_way() -> None:
    clock = Clock()
    playing = batches(clock, 0, 100, 200, 60_200)
    assert next(playing) == [0]
    clock.now_ms += 60_000
    # 100 is late by 59,900 and due now; 200 comes 100 ms after it, not at once.
    assert next(playing) == [100]
    assert next(playing) == [200]
    assert clock.waited == [100]


def test_a_little_late_is_caught_up() -> None:
    clock = Clock()
    playing = batches(clock, 0, 100, 200, 900)
    assert next(playing) == [0]
    clock.now_ms += 800
    assert next(playing) == [100, 200]
    assert (next(playing), clock.now_ms - 5_000) == ([900], 900)


def test_told_to_stop_it_stops() -> None:
    clock = Clock()
    playing = due([tick(START), tick(START + 50)], START, 200, clock.monotonic, lambda seconds: True)
    assert list(playing) == [[tick(START)]]
