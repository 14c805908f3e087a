"""Each format as a tiny file: times on the UTC axis, prices exact, and errors that name file and line."""

import gzip
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from workers.feed.formats import FormatError, Tick, recognise


def at(utc: str) -> int:
    """Milliseconds since 1970 of a time written 2014-05-01 05:00:00.065."""
    since_1970 = datetime.fromisoformat(utc).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since_1970 // timedelta(milliseconds=1)


def lean(path: Path, *lines: str, symbol: str = "eurusd", kind: str = "tick") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.name[:8]}_{symbol}_{kind}_quote.csv", "".join(f"{line}\n" for line in lines))
    return path


def table(path: Path, *lines: str) -> Path:
    written = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(written) if path.suffix == ".gz" else written)
    return path


def ticks(path: Path, symbol: str | None = None) -> list[Tick]:
    return list(recognise(path, symbol).ticks())


@pytest.mark.parametrize(
    ("folder", "midnight"),
    [
        ("oanda/tick/eurusd", at("2014-05-01")),
        ("fxcm/tick/eurusd", at("2014-05-01 05:00")),
        ("elsewhere", at("2014-05-01")),
        ("fxcm/copy/oanda", at("2014-05-01")),  # the nearest market's folder counts
    ],
)
def test_lean_day_begins_in_its_markets_time_zone(tmp_path: Path, folder: str, midnight: int) -> None:
    path = lean(tmp_path / folder / "20140501_quote.zip", "0,1.38693,1.38707", "86399999,1.38712,1.38721")
    assert ticks(path) == [
        Tick(midnight, "EURUSD", D("1.38693"), D("1.38707")),
        Tick(midnight + 86_399_999, "EURUSD", D("1.38712"), D("1.38721")),
    ]


def test_lean_day_of_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lean(tmp_path / "fxcm" / "20140501_quote.zip", "1,1.1,1.2")
    monkeypatch.chdir(tmp_path / "fxcm")
    assert [tick.moment_ms for tick in ticks(Path("20140501_quote.zip"))] == [at("2014-05-01 05:00:00.001")]


def test_lean_fraction_of_a_millisecond_is_cut(tmp_path: Path) -> None:
    path = lean(tmp_path / "20140507_quote.zip", "6.949,1307.391,1307.707", "43.021,1307.325,1307.634", symbol="xauusd")
    assert ticks(path) == [
        Tick(at("2014-05-07 00:00:00.006"), "XAUUSD", D("1307.391"), D("1307.707")),
        Tick(at("2014-05-07 00:00:00.043"), "XAUUSD", D("1307.325"), D("1307.634")),
    ]


@pytest.mark.parametrize("name", ["usdjpy-ticks-2013-01.csv", "usdjpy-ticks-2013-01.csv.gz"])
def test_truefx(tmp_path: Path, name: str) -> None:
    path = table(
        tmp_path / name,
        "timestamp,bid,ask",
        "2013-01-01 22:00:00.295000+00:00,86.655,86.728",
        "2013-01-01 23:02:35.907999+01:00,86.657,86.728",
        "2013-01-01 22:02:36,86.658,86.729",
    )
    assert ticks(path) == [
        Tick(at("2013-01-01 22:00:00.295"), "USDJPY", D("86.655"), D("86.728")),
        Tick(at("2013-01-01 22:02:35.907"), "USDJPY", D("86.657"), D("86.728")),
        Tick(at("2013-01-01 22:02:36"), "USDJPY", D("86.658"), D("86.729")),
    ]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("20200101 170000065", at("2020-01-01 22:00:00.065")),
        ("20200101 235959999", at("2020-01-02 04:59:59.999")),
        ("20200701 120000000", at("2020-07-01 17:00")),  # no daylight saving in July
    ],
)
def test_histdata_is_five_hours_behind_utc_all_year(tmp_path: Path, written: str, moment: int) -> None:
    path = table(tmp_path / "DAT_ASCII_EURUSD_T_202001.csv.gz", f"{written},1.121200,1.121720,0")
    assert ticks(path) == [Tick(moment, "EURUSD", D("1.121200"), D("1.121720"))]


def test_the_symbol_given_goes_before_the_one_in_the_name(tmp_path: Path) -> None:
    path = table(tmp_path / "ticks.csv", "20200101 170000065,1.1,1.2,0")
    assert ticks(path, "gbpusd")[0].symbol == "GBPUSD"
    assert ticks(lean(tmp_path / "20140501_quote.zip", "1,1.1,1.2"), "EURUSD.X")[0].symbol == "EURUSD.X"


def test_bad_prices_are_read_as_they_are(tmp_path: Path) -> None:
    path = lean(tmp_path / "20140501_quote.zip", "5,1.2,1.1", "3,-1,0")
    assert [(tick.bid, tick.ask) for tick in ticks(path)] == [(D("1.2"), D("1.1")), (D(-1), D(0))]


def _files_nobody_can_read(folder: Path) -> Iterable[tuple[Path, str]]:
    yield table(folder / "ticks.csv", "20200101 170000065,1.1,1.2,0"), "ticks.csv: the name tells no instrument"
    yield table(folder / "eurusd-m1.csv", "timestamp,open,close"), "eurusd-m1.csv:1: 'timestamp,open,close' begins"
    yield table(folder / "eurusd-nothing.csv"), "eurusd-nothing.csv:1: '' begins no tick file"
    yield table(folder / "eurusd.txt", "hello"), "eurusd.txt: not a tick file"
    yield lean(folder / "20140502_quote.zip", "0,1", kind="minute"), "holds 20140502_eurusd_minute_quote.csv"
    yield lean(folder / "20141302_quote.zip", "0,1,2"), "'20141302' is no day"
    damaged = folder / "20140503_quote.zip"
    damaged.write_bytes(b"PK no zip")
    yield damaged, "20140503_quote.zip: damaged"
    half = table(folder / "eurusd-half.csv.gz", "timestamp,bid,ask")
    half.write_bytes(half.read_bytes()[:12])
    yield half, "eurusd-half.csv.gz: damaged"
    binary = folder / "eurusd-binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    yield binary, "eurusd-binary.csv: damaged"


def test_files_that_hold_no_ticks_say_why(tmp_path: Path) -> None:
    for path, message in _files_nobody_can_read(tmp_path):
        with pytest.raises(FormatError) as raised:
            recognise(path)
        assert message in str(raised.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7,1.1", "2: '7,1.1' has 2 columns where 3 are needed"),
        ("seven,1.1,1.2", "2: 'seven' is not a number of milliseconds within a day"),
        ("86400000,1.1,1.2", "2: '86400000' is not a number of milliseconds"),
        ("7,1.1,NaN", "2: 'NaN' is not a price in plain digits"),
        ("7,1e1,12", "2: '1e1' is not a price in plain digits"),
        ("7,٣,4", "2: "),
        ("", "2: '' has 1 columns"),
    ],
)
def test_a_line_that_is_no_lean_tick_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = lean(tmp_path / "20140501_quote.zip", "0,1.1,1.2", line)
    with pytest.raises(FormatError) as raised:
        ticks(path)
    assert str(raised.value).startswith(f"{path}:")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("eurusd-a.csv", ("timestamp,bid,ask", "yesterday,1.1,1.2"), ":2: Invalid isoformat string: 'yesterday'"),
        ("eurusd-b.csv", ("20200101 170000065,1.1,1.2,0", "20200101 250000065,1.1,1.2"), ":2: '20200101 250000065' is"),
        ("eurusd-c.csv", ("20200101 170000065,1.1,1.2,0", "20200230 120000065,1.1,1.2,0"), ":2: '20200230' is no day"),
        ("eurusd-d.csv", ("20200101 170000065,1.1,1.2,0", "noon,1.1,1.2"), ":2: 'noon' is not a time"),
    ],
)
def test_a_line_that_is_no_tick_of_a_table_is_named(
    tmp_path: Path, name: str, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(FormatError, match="mend or remove this line") as raised:
        ticks(table(tmp_path / name, *lines))
    assert message in str(raised.value)


def test_a_file_is_streamed(tmp_path: Path) -> None:
    path = lean(tmp_path / "20140501_quote.zip", "0,1.1,1.2", "not a tick")
    assert next(recognise(path).ticks()).bid == D("1.1")
