"""The only place where clients of the two Redis instances are made.

The ledger connection never sends anything twice by itself (`Retry(NoBackoff(), 0)`, single node
and cluster alike): a lost reply is told to the caller, who alone knows whether asking again is
harmless. Only what a node answered MOVED, ASK, TRYAGAIN or NOSCRIPT, that is, refused unexecuted,
is sent again. Calls are grouped by node and each node gets one plain pipeline.

A new connection to a node that has not been cleared since it started, or was promoted, is refused
(`orders.book.guard`), so that nobody trades on a ledger that lost data in a restart.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
)
from redis.retry import Retry

from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from orders.book import keys

#: One command and the key that says which node it goes to.
Call = tuple[str, tuple[Any, ...]]

SOCKET_TIMEOUT_S = 10
GLANCE_S = 1.0  # who only looks on would rather be told at once that a server does not answer
BLOCK_MS = 2_000  # a blocking read must end before the socket times out
_SENDS = 5
#: Answers of a node that executed nothing, and may take the same command when it is sent on, or again.
_UNEXECUTED = (MovedError, AskError, TryAgainError, NoScriptError, ClusterDownError)
#: Answers of a node that takes no command of this kind now, whatever is in it.
_CLOSED = (OutOfMemoryError, ReadOnlyError, MasterDownError)
_LUA = Path(__file__).parent / "lua"
_cleared: set[str] = set()


class NotCleared(redis.exceptions.ConnectionError):
    """This ledger node restarted and has not been compared with the record yet."""


class ReplyLost(Exception):
    """The connection broke after the commands were sent: they may have been executed."""


class Script:
    """A Lua file of this package, addressed by its SHA-1."""

    def __init__(self, name: str) -> None:
        self.source = (_LUA / name).read_text()
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        _SCRIPTS[self.sha] = self.source

    def call(self, keys: Sequence[str], argv: Sequence[Any]) -> Call:
        return keys[0], ("EVALSHA", self.sha, len(keys), *keys, *argv)


_SCRIPTS: dict[str, str] = {}


class Ledger:
    """The instance or cluster that holds the book."""

    def __init__(self, url: str, *, guarded: bool = True, timeout_s: float = SOCKET_TIMEOUT_S) -> None:
        self._url = url
        self._guarded = guarded
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._client: redis.Redis | redis.RedisCluster | None = None
        self._looked_at = 0.0

    def run(self, calls: Sequence[Call]) -> list[Any]:
        """The answers, in order.

        Raises LedgerUnavailable when nothing was sent, ReplyLost when it may have been executed, and
        redis.ResponseError when a command was refused.
        """
        answers = self.run_each(calls)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def run_each(self, calls: Sequence[Call]) -> list[Any]:
        """As `run`, with an exception in the place of each call that failed; other nodes' calls go on."""
        answers: list[Any] = [None] * len(calls)
        waiting = list(range(len(calls)))
        for _ in range(_SENDS):
            for client, places, asking in self._by_node(calls, waiting, answers):
                for place, answer in zip(places, self._send(client, [calls[p] for p in places], asking), strict=True):
                    answers[place] = answer
            again = (*_UNEXECUTED, LedgerUnavailable) if self._may_have_moved(answers) else _UNEXECUTED
            waiting = [p for p in waiting if isinstance(answers[p], again)]
            if not waiting:
                break
            self._prepare_resend(calls, waiting, answers)
        return [_plainly(answer) for answer in answers]

    @property
    def one_node(self) -> bool:
        return not isinstance(self._connected(), redis.RedisCluster)

    def nodes(self) -> list[redis.Redis]:
        """One client per primary node."""
        client = self._connected()
        if isinstance(client, redis.RedisCluster):
            return [client.get_redis_connection(node) for node in client.get_primaries()]
        return [client]

    def node_of(self, key: str) -> redis.Redis:
        """The client of the node that holds `key`: for blocking reads, which can't be batched."""
        client = self._connected()
        if isinstance(client, redis.RedisCluster):
            return client.get_redis_connection(client.get_node_from_key(key))
        return client

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _by_node(
        self, calls: Sequence[Call], waiting: list[int], answers: list[Any]
    ) -> list[tuple[redis.Redis, list[int], bool]]:
        client = self._connected()
        if not isinstance(client, redis.RedisCluster):
            return [(client, waiting, False)]
        batches: dict[tuple[str, bool], tuple[redis.Redis, list[int], bool]] = {}
        for place in waiting:
            asked = answers[place]
            try:
                if isinstance(asked, AskError):
                    node = client.get_node(asked.host, asked.port) or ClusterNode(asked.host, asked.port)
                else:
                    node = client.get_node_from_key(calls[place][0])
            except RedisClusterException as error:  # no node has the slot
                answers[place] = LedgerUnavailable(f"the ledger can't be reached ({error}); see /readyz")
                continue
            asking = isinstance(asked, AskError)
            batch = batches.setdefault((node.name, asking), (client.get_redis_connection(node), [], asking))
            batch[1].append(place)
        return list(batches.values())

    def _send(self, client: redis.Redis, calls: Sequence[Call], asking: bool) -> Sequence[Any]:
        pipe = client.pipeline(transaction=False)
        try:
            # Taken by hand so that "could not connect" and "reply lost" are told apart.
            pipe.connection = client.connection_pool.get_connection()
        except redis.exceptions.RedisError as error:
            return [LedgerUnavailable(f"the ledger can't be reached ({error}); see /readyz")] * len(calls)
        try:
            for _, args in calls:
                if asking:
                    pipe.execute_command("ASKING")
                pipe.execute_command(*args)
            answers = pipe.execute(raise_on_error=False)
            return answers[1::2] if asking else answers
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            return [ReplyLost(str(error))] * len(calls)
        finally:
            pipe.reset()

    def _may_have_moved(self, answers: Sequence[Any]) -> bool:
        """A cluster node that could not be reached (nothing was sent) may have a successor: asked once a second."""
        unreached = any(isinstance(answer, LedgerUnavailable) for answer in answers)
        if not unreached or self.one_node or clock.monotonic() - self._looked_at < 1:
            return False
        self._looked_at = clock.monotonic()
        return True

    def _prepare_resend(self, calls: Sequence[Call], waiting: list[int], answers: list[Any]) -> None:
        """Learns where slots are now, and loads what scripts are lacking. What fails here the resend meets again."""
        client = self._connected()
        if isinstance(client, redis.RedisCluster) and not all(isinstance(answers[p], NoScriptError) for p in waiting):
            with suppress(redis.exceptions.RedisError, RedisClusterException):
                client.nodes_manager.initialize()
        shas = {calls[p][1][1] for p in waiting if isinstance(answers[p], NoScriptError)}
        for node in self.nodes() if shas else ():
            with suppress(redis.exceptions.RedisError):
                for sha in shas:
                    node.script_load(_SCRIPTS[sha])

    def _connected(self) -> redis.Redis | redis.RedisCluster:
        with self._lock:
            if self._client is None:
                try:
                    self._client = _client(self._url, _check_cleared if self._guarded else None, self._timeout_s)
                except (redis.exceptions.RedisError, RedisClusterException, ClusterDownError) as error:
                    raise LedgerUnavailable(f"the ledger can't be reached ({error}); see /readyz") from error
            return self._client


def _plainly(answer: Any) -> Any:
    """What is wrong with a node and not with the call, told as such: nothing was done, asking later may help."""
    if isinstance(answer, _UNEXECUTED):
        return LedgerUnavailable(f"the ledger sent it on {_SENDS} times ({answer}): nothing was done; see /readyz")
    if isinstance(answer, _CLOSED):
        return LedgerUnavailable(f"the ledger takes no commands ({answer}): nothing was done; see /readyz")
    return answer


def _client(url: str, on_connect: Any, timeout_s: float) -> redis.Redis | redis.RedisCluster:
    options = _timeouts(timeout_s)
    never_again = Retry(NoBackoff(), 0)
    if url.startswith("redis+cluster://"):
        address = urlsplit(url)
        return redis.RedisCluster(
            host=address.hostname or "127.0.0.1",
            port=address.port or 6379,
            username=address.username,
            password=address.password,
            retry=never_again,
            redis_connect_func=on_connect,
            **options,
        )

    def connected(connection: Any) -> None:
        connection.on_connect()
        if on_connect is not None:
            on_connect(connection)

    return redis.Redis.from_url(url, retry=never_again, redis_connect_func=connected, **options)


def _timeouts(timeout_s: float) -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(2, timeout_s),
    }


def _check_cleared(connection: Any) -> None:
    connection.send_command("INFO")
    answer = connection.read_response()
    told = answer.decode() if isinstance(answer, bytes) else answer
    met = incarnation(dict(line.split(":", 1) for line in told.splitlines() if ":" in line))
    if met in _cleared:
        return
    try:
        cleared = market().sismember(keys.LEDGER_CLEARED, met)
    except redis.exceptions.RedisError as error:
        raise NotCleared(f"the market instance can't say whether the ledger was checked: {error}") from error
    if not cleared:
        raise NotCleared("the ledger started and has not been compared with the record yet; the sweeper does that")
    _cleared.add(met)


def incarnation(info: Mapping[str, Any]) -> str:
    """What a ledger node is for as long as it can't have lost anything, from its INFO.

    A restart gives it another run id, a promotion another replication id.
    """
    return f"{info['run_id']}:{info['master_replid']}"


@cache
def ledger() -> Ledger:
    """The book, for everyone who trades."""
    return Ledger(settings.LEDGER_URL)


@cache
def unguarded_ledger() -> Ledger:
    """The book, for those who check and rebuild it."""
    return Ledger(settings.LEDGER_URL, guarded=False)


@cache
def market() -> redis.Redis:
    """Prices, channels, heartbeats. Nothing here needs to survive, so asking again is harmless."""
    return redis.Redis.from_url(
        settings.MARKET_URL, health_check_interval=30, retry=Retry(NoBackoff(), 1), **_timeouts(SOCKET_TIMEOUT_S)
    )


@cache
def glance_ledger() -> Ledger:
    """The book, for who only looks on: whether it was checked or not, and only as long as GLANCE_S."""
    return Ledger(settings.LEDGER_URL, guarded=False, timeout_s=GLANCE_S)


@cache
def glance_market() -> redis.Redis:
    """The market instance, for who only looks on."""
    return redis.Redis.from_url(settings.MARKET_URL, retry=Retry(NoBackoff(), 0), **_timeouts(GLANCE_S))


def close_all() -> None:
    """Forget every client and every clearance of this process."""
    for made in (ledger, unguarded_ledger, glance_ledger, market, glance_market):
        if made.cache_info().currsize:
            made().close()
        made.cache_clear()
    _cleared.clear()
