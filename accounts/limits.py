"""How often something may happen: counted by all processes together, on the market instance, in fixed windows.

What somebody typed never becomes part of a key; it is hashed first.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any, TypeVar

import structlog
from django.core.cache import cache
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from copytrading.kernel import clock
from copytrading.kernel.ids import digest

#: After a failure nobody waits for the counter again for so long; and the log says so once a minute.
_QUIET_S = 1.0
_TOLD_EVERY_S = 60.0
_REMEMBERED = 10_000

_log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Count:
    """How many there were in this window, of how many allowed; the window ends in `wait_s` seconds."""

    total: int
    allowed: int
    wait_s: int

    @property
    def beyond(self) -> int:
        """1 for the first that is one too many, 0 or less while there is room."""
        return self.total - self.allowed


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `allowed` in a window of `window_s` seconds for one `who`. Raises RedisError while nobody counts."""

    name: str
    allowed: int
    window_s: int

    def count(self, *who: str) -> Count:
        """Counts one more, atomically, in one round trip."""
        return self._counted(self._moved("incr", who))

    def take(self, permits: int, *who: str) -> tuple[Count, int]:
        """Counts so many at once; with how many of them there was room for."""
        total = self._moved("incrby", who, permits)
        room = max(0, min(permits, self.allowed - (total - permits)))
        return self._counted(total if room else total - permits + 1), room

    def look(self, *who: str) -> Count:
        """As `count`, with nothing counted."""
        return self._counted(int(_redis().get(self._key(who)) or 0))

    def take_back(self, *who: str) -> None:
        """One that was counted did not deserve it."""
        self._moved("decr", who)

    def forgive(self, *who: str) -> int:
        """Starts the window again. Returns how many had been counted."""
        pipe = _redis().pipeline()
        pipe.get(self._key(who))
        pipe.delete(self._key(who))
        return int(pipe.execute()[0] or 0)

    @property
    def window(self) -> int:
        """The number of the present one."""
        return clock.now_ms() // 1000 // self.window_s

    def _moved(self, command: str, who: tuple[str, ...], *by: int) -> int:
        key = self._key(who)
        pipe = _redis().pipeline(transaction=False)
        # The end comes first, so that no counter can be left without one.
        pipe.set(key, 0, ex=2 * self.window_s, nx=True)
        getattr(pipe, command)(key, *by)
        return int(pipe.execute()[1])

    def _counted(self, total: int) -> Count:
        return Count(total, self.allowed, self.window_s - clock.now_ms() // 1000 % self.window_s)

    def _key(self, who: tuple[str, ...]) -> str:
        return cache.make_key(f"limit:{self.name}:{self.window}:{digest(*who)}")


class Permits:
    """A generous limit counted a hundredth of it at a time: this process asks the counter once for so many.

    What is left over at the end of a window is lost: a little less than the limit may be let through, never more.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def count(self, limit: Limit, who: str) -> Count | None:
        """None when there was room. Raises RedisError while nobody counts."""
        with self._lock:
            window, left = self._held.get(who, (0, 0))
            if window == limit.window and left > 0:
                self._held[who] = window, left - 1
                return None
        window = limit.window
        counted, room = limit.take(max(1, limit.allowed // 100), who)
        if not room:
            return counted
        with self._lock:
            if len(self._held) > _REMEMBERED:
                self._held.clear()
            self._held[who] = window, room - 1
        return None

    def forget(self) -> None:
        with self._lock:
            self._held.clear()


permits = Permits()


class _Outage:
    """What this process knows of the counter being away."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The next question is asked and its failure told, as after this process started."""
        self._quiet_until_s = 0.0
        self._silent_until_s = 0.0

    def ask(self, question: Callable[[], T]) -> T | None:
        now_s = clock.monotonic()
        if now_s < self._quiet_until_s:
            return None
        try:
            return question()
        except RedisError as error:
            self._quiet_until_s = clock.monotonic() + _QUIET_S
            if now_s >= self._silent_until_s:
                self._silent_until_s = now_s + _TOLD_EVERY_S
                _log.error("nothing_is_limited", error=str(error), advice="bring the market instance back; see /readyz")
            return None


outage = _Outage()


def unless_away(question: Callable[[], T]) -> T | None:
    """What a limit answers; None, soon, while the market instance is away. No trade fails for want of a counter."""
    return outage.ask(question)


def network(address: str) -> str:
    """Whom an address stands for when it is counted: of IPv6 the /64, which one customer has as a whole.

    What is no address, because a proxy said nothing sensible, is all one.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((int(found), 64), strict=False))


def _redis() -> Any:
    """The cache's own connections, in timeouts of its settings."""
    return get_redis_connection("default")
