"""What the audit log is told of tokens and keys: who used a key, and what opened nothing and why."""

from knox.crypto import hash_token
from knox.models import AuthToken

from accounts import trail
from accounts.access import Principal
from accounts.api.throttling import TOKENS_REFUSED
from accounts.limits import Limit, network, unless_away
from accounts.models import ApiKey
from copytrading.kernel import clock
from copytrading.kernel.rejections import Reason

KEY_MARK = "ct_"

#: The first use of a key from an address, and the first refusal from one.
_USES_TOLD = Limit("key_uses_told", allowed=1, window_s=3600)
_REFUSALS_TOLD = Limit("token_refusals_told", allowed=1, window_s=60)


class KeyUses:
    """Notes the first use of a key from an address in each hour, of all processes together.

    What this process has told is remembered, so that other requests cost nothing. Bounded.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._told: dict[tuple[int, str], int] = {}

    def __len__(self) -> int:
        return len(self._told)

    def clear(self) -> None:
        self._told = {}

    def note(self, key: Principal, address: str) -> None:
        hour = clock.now_ms() // 3_600_000
        if self._told.get((key.id, address)) == hour:
            return
        if len(self._told) >= self._capacity:
            self._told = {}
        self._told[key.id, address] = hour
        counted = unless_away(lambda: _USES_TOLD.count(key.name, network(address)))
        if counted and counted.total == 1:
            trail.note(key.name, "key_used", f"user:{key.user_id}")


#: The one of this process.
key_uses = KeyUses()


def note_refused(token: str, address: str) -> None:
    """Counts a token that opened nothing against its address, and tells of it once a minute."""
    action = "key_refused" if token.startswith(KEY_MARK) else "token_refused"
    here = network(address)
    unless_away(lambda: TOKENS_REFUSED.count(here))
    told = unless_away(lambda: _REFUSALS_TOLD.count(action, here))
    if told and told.total == 1:
        about = _about_key if action == "key_refused" else _about_token
        trail.note_stranger(action, Reason.not_authenticated.name, lambda: about(token))


def _about_token(token: str) -> tuple[str, str]:
    known = AuthToken.objects.select_related("user").filter(digest=hash_token(token)).first()
    if known is None:
        return "", "unknown"
    return f"user:{known.user_id}", "expired" if known.user.is_active else "its user is switched off"


def _about_key(secret: str) -> tuple[str, str]:
    """Named by its prefix, which is no secret, if there is a key with that prefix."""
    prefix = secret.removeprefix(KEY_MARK).partition("_")[0]
    key = ApiKey.objects.select_related("user").filter(prefix=prefix).first()
    if key is None:
        return "", "unknown"
    return f"key:{key.pk}", f"{key}: {_why(key, secret)}"


def _why(key: ApiKey, secret: str) -> str:
    if key.hash != ApiKey.hash_of(secret):
        return "wrong secret"
    if key.revoked_at is not None:
        return "revoked"
    return "its user is switched off" if key.usable_at(clock.now()) else "expired"
