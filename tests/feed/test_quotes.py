"""Quotes on a real market instance: written once, stamped by it, read in one round trip, heard by whoever listens."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest
import redis

from copytrading import embedded
from orders.book import connection, quotes
from orders.book.quotes import Heard, Touch
from orders.rules.facts import Quote
from tests.fixtures import folders
from tests.fixtures.book import Book


@pytest.fixture
def market(book: Book) -> redis.Redis:
    return connection.market()


def now_ms(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return seconds * 1_000 + microseconds // 1_000


def test_a_quote_is_stamped_with_the_instances_time(market: redis.Redis) -> None:
    before = now_ms(market)
    assert quotes.publish(market, "EURUSD", D("1.10000"), D("1.10020"), "test", 7)
    after = now_ms(market)
    written = market.hgetall("market:EURUSD")
    stamp = int(written.pop("stamp"))
    assert before <= stamp <= after
    assert written == {"bid": "1.1", "ask": "1.1002", "sequence": "7", "feed": "test", "sequence:test": "7"}


@pytest.mark.parametrize("sequence", [9, 10])
def test_a_sequence_that_has_not_risen_is_refused_and_changes_nothing(market: redis.Redis, sequence: int) -> None:
    assert quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", 10)
    written = market.hgetall("market:EURUSD")
    assert not quotes.publish(market, "EURUSD", D("3"), D("4"), "test", sequence)
    assert market.hgetall("market:EURUSD") == written


def test_sequences_are_numbers_not_text_and_exact_beyond_a_double(market: redis.Redis) -> None:
    for sequence in (9, 10, 2**53, 2**53 + 1, 2**64):
        assert quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", sequence)
    assert not quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", 2**64 - 1)


def test_another_feed_has_its_own_sequence_and_one_that_comes_back_goes_on_with_its_own(market: redis.Redis) -> None:
    assert quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "first", 100)
    assert quotes.publish(market, "EURUSD", D("1.3"), D("1.4"), "second", 1)
    assert not quotes.publish(market, "EURUSD", D("1.5"), D("1.6"), "first", 99)
    assert market.hget("market:EURUSD", "bid") == "1.3"
    assert quotes.publish(market, "EURUSD", D("1.5"), D("1.6"), "first", 101)
    assert market.hmget("market:EURUSD", "bid", "feed", "sequence") == ["1.5", "first", "101"]


def test_a_batch_is_written_in_order_and_each_answered(market: redis.Redis) -> None:
    touches = [
        Touch("EURUSD", D("1.1"), D("1.2"), "test", 1),
        Touch("EURUSD", D("1.3"), D("1.4"), "test", 2),
        Touch("EURUSD", D("1.5"), D("1.6"), "test", 2),
        Touch("XAUUSD", D("2400"), D("2401"), "test", 3),
    ]
    assert quotes.publish_many(market, touches) == [True, True, False, True]
    assert market.hget("market:EURUSD", "bid") == "1.3"
    assert market.hget("market:XAUUSD", "ask") == "2401"
    assert quotes.publish_many(market, []) == []


def test_a_script_the_instance_forgot_is_sent_anew(market: redis.Redis) -> None:
    for sequence in (1, 2):
        market.script_flush()
        assert quotes.publish_many(market, [Touch("EURUSD", D("1.1"), D("1.2"), "test", sequence)]) == [True]


def test_a_command_the_instance_refuses_is_raised(market: redis.Redis) -> None:
    market.set("market:EURUSD", "no hash")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", 1)


@pytest.mark.parametrize(
    ("symbol", "feed", "sequence", "message"),
    [
        ("EUR USD", "test", 1, "not an instrument name"),
        ("EURUSD", "Test feed", 1, "not a feed name"),
        ("EURUSD", "", 1, "not a feed name"),
        ("EURUSD", "test", 0, "must be positive"),
    ],
)
def test_nothing_odd_becomes_part_of_a_key(
    market: redis.Redis, symbol: str, feed: str, sequence: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        quotes.publish(market, symbol, D("1.1"), D("1.2"), feed, sequence)
    assert market.keys("market:*") == []


def test_reading_gives_the_quotes_there_are_and_the_time_to_measure_them_with(market: redis.Redis) -> None:
    quotes.publish(market, "EURUSD", D("1.10000"), D("1.10020"), "test", 7)
    quotes.publish(market, "USDJPY", D("150.001"), D("150.012"), "test", 8)
    before = now_ms(market)
    read = quotes.read(market, ["EURUSD", "USDJPY", "GBPUSD", "EURUSD"])
    assert before <= read.now_ms <= now_ms(market)
    stamp = int(market.hgetall("market:EURUSD")["stamp"])
    assert read.quotes.keys() == {"EURUSD", "USDJPY"}
    assert read.quotes["EURUSD"] == Quote("EURUSD", D("1.1"), D("1.1002"), stamp, 7)
    assert quotes.read(market, []).quotes == {}


def test_a_feed_goes_on_above_its_sequences_and_the_time(market: redis.Redis) -> None:
    microseconds = now_ms(market) * 1_000
    assert microseconds <= quotes.resume_sequence(market, "test", ["EURUSD"]) <= microseconds + 60_000_000
    ahead = microseconds * 2
    quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", ahead)
    quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "other", ahead * 2)
    assert quotes.resume_sequence(market, "test", ["GBPUSD", "EURUSD"]) == ahead


def test_whoever_listens_hears_every_tick_in_order(market: redis.Redis) -> None:
    listening = quotes.listen(market, ["EURUSD", "XAUUSD"], wait_s=5)
    assert next(listening) == Heard((), missed=True)
    touches = [Touch("EURUSD", D("1.1") + n, D("1.2") + n, "test", n + 1) for n in range(100)]
    refused = Touch("EURUSD", D("9"), D("9"), "test", 50)
    not_asked_for = Touch("USDJPY", D("150"), D("151"), "test", 200)
    gold = Touch("XAUUSD", D("2400.10"), D("2400.50"), "test", 201)
    quotes.publish_many(market, [*touches, refused, not_asked_for, gold])
    heard: list[Quote] = []
    while len(heard) < 101:
        batch = next(listening)
        assert not batch.missed
        heard += batch.quotes
    assert [(quote.symbol, quote.bid, quote.sequence) for quote in heard] == [
        *(("EURUSD", D("1.1") + n, n + 1) for n in range(100)),
        ("XAUUSD", D("2400.1"), 201),
    ]
    assert Heard(tuple(heard), missed=False).latest == quotes.read(market, ["EURUSD", "XAUUSD"]).quotes


def test_a_listener_gets_an_empty_batch_when_nothing_comes(market: redis.Redis) -> None:
    listening = quotes.listen(market, ["EURUSD"], wait_s=0.01)
    assert next(heard for heard in listening if heard.missed) == Heard((), missed=True)
    assert next(listening) == Heard((), missed=False)


def test_who_listens_to_nothing_gets_empty_batches(market: redis.Redis) -> None:
    assert next(quotes.listen(market, [], wait_s=0.01)) == Heard((), missed=False)


def test_a_batch_ends_though_more_ticks_wait(market: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "LONGEST_BATCH", 3)
    listening = quotes.listen(market, ["EURUSD"], wait_s=5)
    next(listening)
    quotes.publish_many(market, [Touch("EURUSD", D("1.1"), D("1.2"), "test", n) for n in range(1, 8)])
    heard = [next(listening).quotes for _ in range(3)]
    assert max(map(len, heard)) == 3
    assert [quote.sequence for batch in heard for quote in batch][:3] == [1, 2, 3]


def test_a_broken_connection_is_made_anew_and_told(market: redis.Redis) -> None:
    listening = quotes.listen(market, ["EURUSD"], wait_s=5)
    next(listening)
    assert market.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
    assert next(listening).missed
    quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", 1)
    assert [quote.sequence for quote in next(listening).quotes] == [1]


def test_an_instance_that_is_gone_is_told_and_found_again(
    start_server: Callable[[embedded.Server], embedded.Valkey],
) -> None:
    server = start_server(embedded.market(folders.of_this_run() / "restarted-market"))
    with server.client() as market:
        listening = quotes.listen(market, ["EURUSD"], wait_s=5)
        next(listening)
        server.stop()
        with pytest.raises(redis.ConnectionError):
            next(listening)
        server.start()
        assert next(quotes.listen(market, ["EURUSD"], wait_s=5)).missed
        assert quotes.publish(market, "EURUSD", D("1.1"), D("1.2"), "test", 1)
