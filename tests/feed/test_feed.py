"""The feed as a process: from a source to quotes on a real market instance, through an outage, until told to stop."""

import signal
import sys
import threading
from collections.abc import Callable
from decimal import Decimal as D
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django import Settings

from copytrading import embedded
from copytrading.env import BASE_DIR
from orders.book import connection, quotes
from tests.accounts import rows
from tests.feed.test_formats import lean
from tests.fixtures import folders
from tests.fixtures.book import Book
from tests.fixtures.waiting import eventually
from workers.feed.feed import MarketFeed, Programme, programme
from workers.feed.formats import FormatError, Tick
from workers.feed.handler import Handler
from workers.feed.publisher import Publisher
from workers.feed.simulate import Simulated
from workers.feed.source import Source

EURUSD = Simulated("EURUSD", D("0.00001"), "forex", 10_000)
USDJPY = Simulated("USDJPY", D("0.001"), "forex", 10_000)
SIZES = {"EURUSD": D("0.00001")}


def recorded(path: Path, *, once: bool = True, speed: float = 1_000.0) -> Programme:
    return programme(Source(path, speed), [EURUSD, USDJPY], once=once)


def test_a_recording_is_played_and_the_rest_made_up_beside_it(book: Book, tmp_path: Path) -> None:
    path = lean(tmp_path / "20140501_quote.zip", "0,1.38690,1.38700", "50,1.3,1.2", "90,1.38712,1.38721")
    MarketFeed(recorded(path)).run(once=True)
    euro, yen = book.market.hgetall("market:EURUSD"), book.market.hgetall("market:USDJPY")
    assert (euro["bid"], euro["ask"], euro["feed"]) == ("1.38712", "1.38721", "replay")
    assert yen["feed"] == "simulated"
    assert str(yen["bid"]).startswith("149.2")


def test_a_second_run_goes_on_with_the_sequences_and_prices_of_the_first(book: Book, tmp_path: Path) -> None:
    path = lean(tmp_path / "20140501_quote.zip", "0,1.38690,1.38700")
    sequences: list[int] = []
    for _ in range(3):
        MarketFeed(recorded(path)).run(once=True)
        sequences.append(int(book.market.hgetall("market:EURUSD")["sequence"]))
    assert sequences == sorted(set(sequences))
    quotes.publish(book.market, "USDJPY", D("140"), D("140.01"), "simulated", sequences[-1] * 2)
    MarketFeed(programme(Source(None), [EURUSD, USDJPY], once=True)).run(once=True)
    yen = quotes.read(book.market, ["USDJPY"]).quotes["USDJPY"]
    assert yen.sequence > sequences[-1] * 2
    assert D("139.9") < yen.bid < D("140.01")


def test_it_beats_while_it_plays(book: Book) -> None:
    MarketFeed(programme(Source(None), [EURUSD], once=True), consumer="tested").run(once=True)
    assert book.market.hgetall("heartbeat:market_feed:tested").keys() >= {"at_ms", "pid", "published"}


def test_an_outage_costs_its_ticks_and_nothing_else(
    settings: Settings, start_server: Callable[[embedded.Server], embedded.Valkey]
) -> None:
    server = start_server(embedded.market(folders.of_this_run() / "feed-market"))
    settings.MARKET_URL = server.url
    connection.close_all()
    stop = threading.Event()
    feed = MarketFeed(programme(Source(None), [EURUSD, USDJPY]), stop=stop)
    playing = threading.Thread(target=feed.run)
    playing.start()
    try:
        with server.client() as market:
            eventually(lambda: market.hget("market:EURUSD", "sequence"))
            server.kill()
            server.start()
            eventually(lambda: market.hget("market:EURUSD", "sequence"))
            first = quotes.read(market, ["EURUSD"]).quotes["EURUSD"].sequence
            eventually(lambda: quotes.read(market, ["EURUSD"]).quotes["EURUSD"].sequence > first)
    finally:
        stop.set()
        playing.join(timeout=10)
        connection.close_all()
    assert not playing.is_alive()


def test_what_is_counted(book: Book) -> None:
    ticks = [
        Tick(1, "EURUSD", D("1.1"), D("1.2")),
        Tick(2, "EURUSD", D("1.1"), D("1.1")),
        Tick(3, "EURUSD", D("1.2"), D("1.1")),
        Tick(4, "GBPUSD", D("1.2"), D("1.3")),
    ]
    publisher = Publisher(book.market, Handler("test", 0, SIZES))
    publisher.publish(ticks)
    publisher.publish([])
    assert publisher.report() == {"passed": 2, "published": 2, "locked": 1, "crossed": 1, "not_offered": 1}
    assert publisher.report() == {"passed": 0, "published": 0}
    behind = Publisher(book.market, Handler("test", 0, SIZES))
    behind.publish(ticks[:1])
    assert behind.report() == {"passed": 1, "published": 0, "refused": 1}
    assert book.market.hget("market:EURUSD", "ask") == "1.1"


def test_ticks_nobody_took_are_counted(start_server: Callable[[embedded.Server], embedded.Valkey]) -> None:
    server = start_server(embedded.market(folders.of_this_run() / "lost-market"))
    with server.client() as market:
        publisher = Publisher(market, Handler("test", 5, SIZES))
        quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", 6)
        publisher.publish([Tick(1, "EURUSD", D("1.1"), D("1.2"))])
        server.stop()
        with pytest.raises(redis.ConnectionError):
            publisher.publish([Tick(2, "EURUSD", D("1.1"), D("1.2"))])
    assert publisher.report() == {"passed": 2, "published": 0, "refused": 1, "lost": 1}


def test_a_recording_of_nothing_offered_is_refused(tmp_path: Path) -> None:
    path = lean(tmp_path / "20140501_quote.zip", "0,1.2,1.3", symbol="gbpusd")
    with pytest.raises(FormatError, match="holds GBPUSD, none of which is an instrument"):
        recorded(path)


@pytest.mark.django_db
def test_the_command_plays_once(book: Book, tmp_path: Path) -> None:
    rows.instrument("EURUSD")
    rows.instrument("GBPUSD")
    path = lean(tmp_path / "20140501_quote.zip", "0,1.38690,1.38700", "9000,1.38712,1.38721")
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        call_command("market_feed", "--once", "--speed=1000", f"--source={path}")
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
            signal.signal(number, handler)
    assert book.market.hget("market:EURUSD", "bid") == "1.38712"
    assert book.market.hget("market:GBPUSD", "feed") == "simulated"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source=/nowhere"], "no such file or folder"),
        (["--source=simulated", "--speed=0"], "give a number above 0"),
    ],
)
def test_the_command_says_what_is_wrong(book: Book, arguments: list[str], message: str) -> None:
    rows.instrument("EURUSD")
    with pytest.raises(CommandError, match=message):
        call_command("market_feed", *arguments)


@pytest.mark.django_db
def test_the_command_needs_instruments(book: Book) -> None:
    with pytest.raises(CommandError, match="The catalogue has no instruments"):
        call_command("market_feed", "--source=simulated")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_in_order_when_told_to(book: Book, environ: dict[str, str], number: signal.Signals) -> None:
    rows.instrument("EURUSD")
    command = [sys.executable, "manage.py", "market_feed", "--source=simulated"]
    with Popen(command, cwd=BASE_DIR, env=environ, stderr=PIPE, text=True) as process:
        eventually(lambda: book.market.hget("market:EURUSD", "bid"), limit_s=20)
        process.send_signal(number)
        _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert '"event": "worker_stopped"' in log
    assert '"event": "ticks"' in log.splitlines()[-1]
