"""Quotes on the market instance: written by feeds, read by whoever decides, heard by monitors.

A quote's stamp is the market instance's own TIME, given by the script that writes it, so that age
is a difference between two readings of one clock. Nothing here must survive a restart, and a tick
sent twice is refused by its sequence: clients of this instance may ask again.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import redis
from redis.exceptions import NoScriptError

from copytrading.kernel import decimals
from orders.book import keys
from orders.book.connection import Script
from orders.rules.facts import Market, Quote

_QUOTE = Script("quote.lua")
_FIELDS = ("bid", "ask", "stamp", "sequence")
_FEED = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)

#: A listener hands over what it has after this many ticks, so that its caller's periodic work is never starved.
LONGEST_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Touch:
    """The best bid and ask as `feed` gives them; the market instance's stamp makes a Quote of it.

    `sequence` is a positive whole number that rises with every touch of a feed, across its restarts too.
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    feed: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard since the last batch. `missed`: ticks before these may have gone unheard; read the quotes anew."""

    quotes: tuple[Quote, ...]
    missed: bool

    @property
    def latest(self) -> dict[str, Quote]:
        """The last quote of each symbol heard."""
        return {quote.symbol: quote for quote in self.quotes}


def publish(  # a quote's own fields
    client: redis.Redis, symbol: str, bid: Decimal, ask: Decimal, feed: str, sequence: int
) -> bool:
    """Whether the quote was written: False when `feed` already gave this sequence or a later one."""
    return publish_many(client, [Touch(symbol, bid, ask, feed, sequence)])[0]


def publish_many(client: redis.Redis, touches: Sequence[Touch]) -> list[bool]:
    """As `publish` for each, in order, in one round trip (three when the script is not loaded yet)."""
    calls = [_call(touch) for touch in touches]
    answers = _send(client, calls)
    unloaded = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if unloaded:
        client.script_load(_QUOTE.source)
        for place, answer in zip(unloaded, _send(client, [calls[p] for p in unloaded]), strict=True):
            answers[place] = answer
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return [answer == 1 for answer in answers]


def read(client: redis.Redis, symbols: Iterable[str]) -> Market:
    """The present quotes of those `symbols` that were ever quoted, and the time to measure their age with."""
    names = list(dict.fromkeys(symbols))
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hmget(keys.market(name), _FIELDS)
    pipe.time()  # last, so that it is never before a stamp read above
    *rows, (seconds, microseconds) = pipe.execute()
    quoted = {name: _quote(name, *row) for name, row in zip(names, rows, strict=True) if None not in row}
    return Market(now_ms=seconds * 1_000 + microseconds // 1_000, quotes=quoted)


def resume_sequence(client: redis.Redis, feed: str, symbols: Iterable[str]) -> int:
    """A number that every sequence of `feed` so far is at most: the next touch takes the one after it.

    It is the market instance's TIME in microseconds, which no feed's ticks outrun, or the highest
    sequence seen if that clock was set back.
    """
    _check_feed(feed)
    pipe = client.pipeline(transaction=False)
    for symbol in symbols:
        pipe.hget(keys.market(symbol), f"sequence:{feed}")
    pipe.time()
    *seen, (seconds, microseconds) = pipe.execute()
    return max(seconds * 1_000_000 + microseconds, *(int(number or 0) for number in seen), 0)


def listen(
    client: redis.Redis, symbols: Iterable[str], wait_s: float = 1.0, busy: Callable[[], bool] = lambda: False
) -> Iterator[Heard]:
    """Every tick of `symbols` in order, in batches; after `wait_s` without a tick an empty one, for periodic work.

    While the caller says it is `busy`, an empty one is given at once.

    The first batch has `missed` set, and so has the first after the connection broke and was made
    anew (which a subscriber that reads too slowly meets as well: the server drops it). Raises
    redis.ConnectionError when the instance can't be reached again; call `listen` anew then.
    """
    channels = [keys.ticks_channel(symbol) for symbol in symbols]
    with client.pubsub() as subscriber:
        if channels:
            subscriber.subscribe(*channels)
        while True:
            yield _hear(subscriber, 0.0 if busy() else wait_s)


def _hear(subscriber: redis.client.PubSub, wait_s: float) -> Heard:
    heard: list[Quote] = []
    missed = False
    message = subscriber.get_message(timeout=wait_s)
    while message is not None:
        if message["type"] == "message":
            heard.append(_quote(*message["data"].split("|")))
        else:
            # The confirmation of a subscription: whatever was told before it was not heard. The
            # client subscribes by itself on each new connection, so a break shows as another one.
            missed = True
        if len(heard) >= LONGEST_BATCH:
            break
        message = subscriber.get_message(timeout=0)
    return Heard(tuple(heard), missed)


def _call(touch: Touch) -> tuple[Any, ...]:
    _check_feed(touch.feed)
    if touch.sequence <= 0:
        raise ValueError(f"sequence {touch.sequence} of feed {touch.feed} must be positive")
    bid, ask = decimals.text(touch.bid), decimals.text(touch.ask)
    argv = (touch.symbol, bid, ask, touch.feed, touch.sequence, keys.ticks_channel(touch.symbol))
    _, command = _QUOTE.call([keys.market(touch.symbol)], argv)
    return command


def _send(client: redis.Redis, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for call in calls:
        pipe.execute_command(*call)
    return pipe.execute(raise_on_error=False)


def _quote(symbol: str, bid: str, ask: str, stamp: str, sequence: str) -> Quote:
    return Quote(symbol, Decimal(bid), Decimal(ask), int(stamp), int(sequence))


def _check_feed(feed: str) -> None:
    if not _FEED.fullmatch(feed):
        raise ValueError(f"not a feed name: {feed!r}; use a-z, 0-9, _ and -, at most 32")
