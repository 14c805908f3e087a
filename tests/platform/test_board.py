"""The board shows what is, in one screen or one line, and says so when a part is away."""

import io

import pytest
from pytest_django import Settings
from rich.console import Console

from orders.book import connection, keys
from tests.fixtures.floor import Floor
from workers import board
from workers.board import ProcessReading
from workers.readings import QueueReading, Reader, Readings


def rendered(readings: Readings, processes: list[ProcessReading] | None = None) -> str:
    console = Console(file=io.StringIO(), width=200, height=60, color_system=None)
    console.print(board.screen(readings, processes or [], ["Admin http://127.0.0.1:8000/admin/"]))
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
    assert readings.away == []
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
    assert (quote.symbol, quote.bid, quote.ask) == ("EURUSD", "1.1", "1.1002")


def test_one_line_says_it_all(traded: Floor) -> None:
    told = board.line(Reader().take())
    assert told.startswith("4 accounts | 1 open, 1 resting | 0.2 orders/s, 0.1 deals/s | waiting: record 10 (")
    assert "1 instruments, last tick 0." in told


def test_the_screen_shows_accounts_deals_quotes_and_processes(traded: Floor) -> None:
    shown = rendered(
        Reader().take(),
        [ProcessReading("web", 4711, 75.0, 0, 88_000_000), ProcessReading("celery", None, 0.0, 3, 0)],
    )
    assert f"{traded.accounts['live']}" in shown
    assert "BUY in" in shown
    assert "1.1003" in shown
    assert "EURUSD" in shown
    assert "http://127.0.0.1:8000/admin/" in shown
    assert ["web", "4711", "1:15", "0", "88", "MB"] in [line.split()[:6] for line in shown.splitlines()]
    assert ["celery", "down", "0:00", "3", "0", "MB"] in [line.split()[:6] for line in shown.splitlines()]


def test_workers_are_shown_by_their_heartbeats(traded: Floor) -> None:
    beat = keys.heartbeat("sweeper", "here-1")
    traded.book.market.hset(beat, mapping={"at_ms": "1", "pid": "1", "lag": "7"})
    (worker,) = Reader().take().workers
    assert (worker.name, worker.lag) == ("sweeper", "7")
    assert worker.silent_s > 1_000_000


def test_dead_letters_are_told() -> None:
    assert "2 dead letters" in board.line(Readings(queues=[QueueReading("record", 0, 0.0, 2)]))
    assert "dead letters" not in board.line(Readings(queues=[QueueReading("record", 0, 0.0, 0)]))


def test_an_absent_market_is_told_and_the_rest_is_shown(traded: Floor, settings: Settings) -> None:
    reader = Reader()
    reader.take()
    settings.MARKET_URL = "unix:///no/such/socket?db=0"
    connection.close_all()
    readings = reader.take()
    assert len(readings.away) == 1
    assert readings.away[0].startswith("the market instance is away: ")
    assert readings.orders_open == 1
    assert [quote.symbol for quote in readings.quotes] == ["EURUSD"]
    assert readings.away[0] in board.line(readings)
    assert "the market instance is away" in rendered(readings)
