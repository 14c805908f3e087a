"""Who a token belongs to: asked of PostgreSQL, remembered for seconds, and for minutes while PostgreSQL is away.

Trading must survive PostgreSQL being down, so what was proved in the last `TRUSTED_FOR_S` stands
while it can't be asked again. A revocation drops what is remembered in this process at once; other
processes ask again within `FRESH_FOR_S`. The token itself is never kept, only its SHA-256.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import InterfaceError, OperationalError

from accounts.access import Principal
from copytrading.kernel import clock

FRESH_FOR_S = 5.0
TRUSTED_FOR_S = 600.0
CAPACITY = 10_000


@dataclass(frozen=True, slots=True)
class Proof:
    """What PostgreSQL said of a token. `expires_at` is the token's own end, None if it has none."""

    principal: Principal
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Remembered:
    proof: Proof
    proved_at_s: float
    fresh_until_s: float


class PrincipalCache:
    """Bounded, oldest out first. Thread-safe."""

    def __init__(self, capacity: int = CAPACITY, now_s: Callable[[], float] = clock.monotonic) -> None:
        self._capacity = capacity
        self._now_s = now_s
        self._known: dict[bytes, _Remembered] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def resolve(self, token: str, ask: Callable[[str], Proof | None]) -> Principal | None:
        """The principal of `token`, or None if it opens nothing. `ask` is called when nothing fresh is known.

        Raises what `ask` raised (PostgreSQL is away) for a token not proved lately.
        """
        digest = hashlib.sha256(token.encode()).digest()
        now_s = self._now_s()
        known = self._known.get(digest)
        if known is None or now_s >= known.fresh_until_s:
            known = self._ask_again(digest, known, now_s, lambda: ask(token))
        if known is None:
            return None
        ends = known.proof.expires_at
        return known.proof.principal if ends is None or clock.now() < ends else None

    def remembers(self, token: str) -> bool:
        """Whether `token` was proved lately and not taken back here since. It may have expired."""
        return hashlib.sha256(token.encode()).digest() in self._known

    def forget_token(self, token: str) -> None:
        with self._lock:
            self._known.pop(hashlib.sha256(token.encode()).digest(), None)

    def forget(self, *, user_id: int) -> None:
        """Drops every token and key of a user: one was revoked, or what the user may do has changed."""
        with self._lock:
            self._known = {
                digest: known for digest, known in self._known.items() if known.proof.principal.user_id != user_id
            }

    def clear(self) -> None:
        with self._lock:
            self._known = {}

    def _ask_again(
        self, digest: bytes, known: _Remembered | None, now_s: float, ask: Callable[[], Proof | None]
    ) -> _Remembered | None:
        try:
            proof = ask()
        except (OperationalError, InterfaceError):
            if known is None or now_s - known.proved_at_s >= TRUSTED_FOR_S:
                raise
            return self._remember(digest, replace(known, fresh_until_s=now_s + FRESH_FOR_S))
        if proof is None:
            with self._lock:
                self._known.pop(digest, None)
            return None
        return self._remember(digest, _Remembered(proof, now_s, now_s + FRESH_FOR_S))

    def _remember(self, digest: bytes, known: _Remembered) -> _Remembered:
        with self._lock:
            self._known.pop(digest, None)
            self._known[digest] = known
            while len(self._known) > self._capacity:
                del self._known[next(iter(self._known))]
        return known


#: The one of this process.
principals = PrincipalCache()
