"""How often somebody may try to log in: counted in the shared cache, in fixed windows, before a password is looked at.

What a client typed never becomes part of a cache key; it is hashed first.
"""

from dataclasses import dataclass

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.api.problems import Refused
from accounts.api.requests import client_address
from copytrading.kernel import clock
from copytrading.kernel.ids import digest
from copytrading.kernel.rejections import Reason, Rejection


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `allowed` counts per window of `window_s` seconds for one `who`."""

    name: str
    allowed: int
    window_s: int

    def count(self, *who: str) -> None:
        """Counts one more, in one atomic step. Raises Refused(rate_limited) when that is one too many."""
        key = self._key(who)
        # Kept for two windows, so that it can't run out between the two calls.
        cache.add(key, 0, timeout=2 * self.window_s)
        if cache.incr(key) > self.allowed:
            wait_s = self.window_s - int(clock.now_ms() // 1000) % self.window_s
            detail = f"More than {self.allowed} tries in {self.window_s} seconds."
            raise Refused(Rejection(Reason.rate_limited, detail), retry_after_s=wait_s)

    def forgive(self, *who: str) -> None:
        cache.delete(self._key(who))

    def _key(self, who: tuple[str, ...]) -> str:
        window = clock.now_ms() // 1000 // self.window_s
        return f"limit:{self.name}:{window}:{digest(*who)}"


#: Tries from one address, whoever it says it is.
LOG_IN_TRIES = Limit("log_in", allowed=120, window_s=60)
#: Tries for one user name from one address; a success starts the count again.
LOG_IN_FAILURES = Limit("log_in_failures", allowed=10, window_s=300)


class LogInThrottle(BaseThrottle):
    """Counts each request to log in by its address, before the body is read."""

    def allow_request(self, request: Request, view: object) -> bool:
        LOG_IN_TRIES.count(client_address(request))
        return True
