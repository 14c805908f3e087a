"""The board shows what is, in one screen or one line, and says so when a part is away."""

import io
from subprocess import PIPE, Popen, run
from sys import executable

import pytest
from pytest_django import Settings
from rich.console import Console

from copytrading.env import BASE_DIR
from copytrading.kernel.ids import AccountRef
from orders.book import connection, keys
from orders.looking.backlog import Backlog
from orders.looking.lag import Queue
from orders.readiness import Check, Readiness
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from tests.fixtures.floor import Floor
from tests.fixtures.waiting import eventually
from workers import board, tasks
from workers.readings import ProcessReading, Reader, Readings, tell_processes

PROCESSES = [ProcessReading("web", 4711, 75, 0, 88_000_000), ProcessReading("celery", None, 0, 3, 0)]
LONG_REASON = "the liquidity bridge is being replaced and nobody knows yet when it will be back in full"


def rendered(readings: Readings | None, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, height=60, color_system=None)
    console.print(board.screen(readings, ["Admin http://127.0.0.1:8000/admin/"]))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def traded(floor: Floor) -> Floor:
    """A buy of 0.5 and a resting order, recorded, and the announcements of all of it still waiting."""
    floor.open("0.5")
    floor.place("1.0900", lots="0.3")
    floor.record()
    return floor


def test_readings_of_a_traded_book(traded: Floor) -> None:
    readings = Reader().take()
    assert readings.away == {}
    assert readings.accounts_total == 4
    assert (readings.orders_open, readings.orders_resting) == (1, 1)
    assert (readings.orders_per_s, readings.deals_per_s) == (0.2, 0.1)
    assert [(deal.side, deal.entry, str(deal.price)) for deal in readings.deals] == [("BUY", "in", "1.1003000000")]
    first = readings.accounts[0]
    assert (first.account, first.balance, first.open_orders, first.equity) == (traded.accounts["live"], "10000", 2, "")
    assert len(readings.accounts) == 4
    (record,) = readings.queues
    assert record.name == "record"
    assert record.waiting == 10  # four entries into the book, four deposits, two orders
    assert 0 <= record.oldest_s < 30
    assert record.dead == 0
    (quote,) = readings.quotes
    assert (quote.symbol, quote.bid, quote.ask, quote.tradable, quote.current) == (
        "EURUSD",
        "1.1",
        "1.1002",
        True,
        True,
    )


def test_one_line_says_it_all(traded: Floor) -> None:
    told = board.line(Reader().take())
    assert "| 4 accounts | 1 open, 1 resting | 0.2 orders/s, 0.1 deals/s | waiting: record 10 (" in told
    assert "| record 0.0 s behind |" in told
    assert "1 instruments, last tick 0." in told
    halts.halt(Halt("platform", False, "fire"), "user:1")
    assert board.line(Reader().take()).startswith("Trading is halted. fire | ")


def test_the_screen_shows_accounts_deals_quotes_and_processes(traded: Floor) -> None:
    tell_processes(PROCESSES)
    shown = rendered(Reader().take())
    assert f"{traded.accounts['live']}" in shown
    assert "BUY in" in shown
    assert "1.1003" in shown
    assert "EURUSD" in shown
    assert "http://127.0.0.1:8000/admin/" in shown
    told = [line.split() for line in shown.splitlines()]
    assert any(line[:8] == ["web", "4711", "1", "min", "15", "s", "0", "88"] for line in told)
    assert any(line[:6] == ["celery", "down", "0.0", "s", "3", "0"] for line in told)


@pytest.mark.parametrize("width", [80, 140])
def test_it_is_readable_at_the_widths_terminals_have(traded: Floor, width: int) -> None:
    """What matters comes first, nothing is cut off, and the wide one needs half the lines."""
    tell_processes(PROCESSES)
    assert halts.halt(Halt("instrument:EURUSD", True, LONG_REASON), "user:1") is None
    traded.open("0.1", symbol="EURUSD", staff=True)
    traded.money("deposit", "1")
    tasks.nightly_audit()
    shown = rendered(Reader().take(), width)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in shown
    titles = [line.split("  ")[0] for line in lines if line.startswith(("Book and record", "Workers", "Processes"))]
    assert titles == ["Book and record", "Workers", "Processes"]
    assert "behind, 1 of 4 accounts" in shown
    assert "clean, " in shown
    for word in LONG_REASON.split():
        assert word in shown
    beside = any("Book and record" in line and "Quotes" in line for line in lines)
    assert beside == (width == 140)


def test_workers_are_shown_by_their_heartbeats(traded: Floor) -> None:
    beat = keys.heartbeat("sweeper", "here-1")
    traded.book.market.hset(beat, mapping={"at_ms": "1", "pid": "1", "state": "waiting", "lag": "7", "levels": "2"})
    readings = Reader().take()
    (worker,) = readings.workers
    assert (worker.name, worker.consumer, worker.state, worker.told) == (
        "sweeper",
        "here-1",
        "waiting",
        "lag 7, levels 2",
    )
    assert worker.silent_s > 1_000_000
    assert "worker_record" in readings.missing_workers
    shown = rendered(readings)
    assert "worker_record does not run: nothing is written to PostgreSQL." in shown
    assert ["worker_record", "-", "missing"] in [line.split()[:3] for line in shown.splitlines()]


def test_dead_letters_are_told() -> None:
    assert "2 dead letters" in board.line(Readings(queues=[Queue("record", 0, 0.0, 2)]))
    assert "dead letters" not in board.line(Readings(queues=[Queue("record", 0, 0.0, 0)]))


def test_what_to_do_is_not_cut_off_where_the_console_does_not_wrap() -> None:
    lost = tuple(AccountRef("live", number) for number in range(1, 9))
    console = Console(file=io.StringIO(), width=80, height=60, color_system=None, soft_wrap=True)
    console.print(board.screen(Readings(backlog=Backlog(8, lost=lost))))
    assert "then: manage.py audit" in " ".join(console.file.getvalue().replace("│", " ").split())  # type: ignore[attr-defined]


def test_when_nothing_answers_nothing_is_claimed_and_the_way_to_start_is_told() -> None:
    away = {"record": "PostgreSQL is away: x", "ledger": "the ledger is away: x", "market": "it is away: x"}
    down = Readiness({name: Check(False, "can't be reached") for name in ("ledger", "market", "database")})
    shown = rendered(Readings(ready=down, away=away))
    assert "If nothing was started: make run." in shown
    assert "up to date" not in shown
    assert "nothing is halted" not in shown
    assert "trading goes on" not in shown


def test_before_the_first_reading_nothing_is_claimed() -> None:
    assert "Reading ..." in rendered(None)
    assert board.line(None) == "Reading ..."


def test_an_absent_market_is_told_and_the_rest_is_shown(traded: Floor, settings: Settings) -> None:
    reader = Reader()
    reader.take()
    settings.MARKET_URL = "unix:///no/such/socket?db=0"
    connection.close_all()
    readings = reader.take()
    assert list(readings.away) == ["market"]
    assert readings.away["market"].startswith("the market instance is away: ")
    assert readings.orders_open == 1
    assert [quote.symbol for quote in readings.quotes] == ["EURUSD"]
    assert readings.away["market"] in board.line(readings)
    shown = rendered(readings)
    assert "Trading does not work. Down: the market instance." in shown
    assert "the market instance is away" in shown


def test_a_supervisor_shows_its_processes_and_tells_them_to_others(traded: Floor) -> None:
    with board.Sampler(lambda: PROCESSES) as sampler:
        readings = eventually(lambda: sampler.latest)
    assert readings is not None
    assert readings.processes == PROCESSES
    assert Reader().take().processes == PROCESSES
    assert 0 < traded.book.market.ttl(next(traded.book.market.scan_iter("processes:*"))) <= 20


def test_one_screen_and_an_end(traded: Floor, environ: dict[str, str]) -> None:
    command = [executable, str(BASE_DIR / "manage.py"), "board", "--once"]
    done = run(command, env=environ | {"COLUMNS": "100"}, capture_output=True, text=True, timeout=50, check=True)
    assert "Down: market_feed, pending_monitor, margin_monitor, worker_record, sweeper." in " ".join(
        done.stdout.split()
    )
    assert "4 accounts | 1 open, 1 resting" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert done.stderr == ""


def test_attached_to_a_running_system_it_tells_a_line_now_and_then(traded: Floor, environ: dict[str, str]) -> None:
    command = [executable, str(BASE_DIR / "manage.py"), "board"]
    with Popen(command, env=environ, stdout=PIPE, stderr=PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            assert "4 accounts | 1 open, 1 resting" in child.stdout.readline()
        finally:
            child.terminate()
        assert child.wait(timeout=15) == 0


def test_its_help_says_what_is_what() -> None:
    command = [executable, str(BASE_DIR / "manage.py"), "board", "--help"]
    told = run(command, capture_output=True, text=True, timeout=50, check=True).stdout
    assert "how far the recorder is behind the book" in told
    assert "--once" in told
