"""From a user name and a password to a user: one way in for API and admin, throttled and told in the audit log.

Of a user name that is nobody's only a keyed hash is kept: people type passwords there. The same
name gives the same hash, so that repeated tries are seen as such; without SECRET_KEY nobody can
find out the name.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.contrib.auth import authenticate
from django.core.cache import cache
from django.utils.crypto import salted_hmac

from accounts import trail
from accounts.api.problems import Refused
from accounts.api.throttling import too_many
from accounts.limits import Count, Limit, network
from accounts.models import User
from copytrading.kernel.ids import digest
from copytrading.kernel.rejections import Reason, Rejection

log = structlog.get_logger(__name__)

#: Failures of one user name from one address; a success starts the count again.
FAILURES_HERE = Limit("log_in_failures", allowed=10, window_s=300)
#: Failures of one user name from all addresses. Where its owner logged in from lately he is a regular, not bound by it.
FAILURES_ANYWHERE = Limit("log_in_failures_anywhere", allowed=50, window_s=900)
REGULAR_FOR_S = 30 * 86_400

#: Hashing a password takes half a second of a whole core: one at a time, and few of the web's threads wait.
_HASHING = threading.BoundedSemaphore(1)
#: Places at the door of strangers, and at that of users where they logged in from lately.
_STRANGERS = threading.BoundedSemaphore(3)
_REGULARS = threading.BoundedSemaphore(3)


def identify(
    username: str, password: str, address: str, *, through: str, admits: Callable[[User], bool] = lambda _: True
) -> User:
    """The active user these open who is admitted. Raises Refused, in the same words whatever was wrong."""
    here = network(address)
    regular = bool(cache.get(_regular(username, here)))
    with _place(_REGULARS if regular else _STRANGERS):
        _count(username, here, regular)
        with _HASHING:
            # For an unknown or inactive user Django hashes all the same, so that the time tells nothing.
            user = authenticate(username=username, password=password)
    if not isinstance(user, User) or not admits(user):
        log.warning("log_in_refused", through=through, address=address)
        right = user is not None
        trail.note_stranger("log_in_refused", Reason.not_authenticated.name, lambda: _about(username, through, right))
        raise refused()
    _welcome(username, here)
    return user


def refused() -> Refused:
    return Refused(Rejection(Reason.not_authenticated, "The user name or the password is wrong."))


def note_log_in(user: User, through: str) -> None:
    """Once the way is open: there is a token, or a session."""
    name = f"user:{user.pk}"
    log.info("logged_in", principal=name, through=through)
    trail.note(name, "log_in", name, after={"through": through})


def note_log_out(user_id: int, through: str) -> None:
    name = f"user:{user_id}"
    log.info("logged_out", principal=name, through=through)
    trail.note(name, "log_out", name, after={"through": through})


@contextmanager
def _place(door: threading.BoundedSemaphore) -> Iterator[None]:
    """However many knock, trading keeps threads and a core; however many strangers, regulars have a place."""
    if not door.acquire(blocking=False):
        detail = "Many people are logging in at this moment; try again in a second."
        raise Refused(Rejection(Reason.rate_limited, detail), retry_after_s=1)
    try:
        yield
    finally:
        door.release()


def _count(username: str, here: str, regular: bool) -> None:
    """Counts a failure before the password is looked at, so that tries at the same time are all counted."""
    counted = FAILURES_HERE.count(username, here)
    if counted.beyond > 0:
        raise _too_many(username, counted, "this address")
    counted = FAILURES_ANYWHERE.count(username)
    if counted.beyond > 0:
        told = _too_many(username, counted, "all addresses")
        if not regular:
            raise told


def _too_many(username: str, counted: Count, where: str) -> Refused:
    """Told once a window, when the limit is first passed."""
    if counted.beyond == 1:
        reason = f"more than {counted.allowed} failures from {where}"
        trail.note_stranger(
            "log_in_throttled", Reason.rate_limited.name, lambda: (_subject(username, _named(username)), reason)
        )
    return too_many("Too many tries", counted)


def _welcome(username: str, here: str) -> None:
    FAILURES_HERE.forgive(username, here)
    FAILURES_ANYWHERE.take_back(username)
    cache.set(_regular(username, here), 1, timeout=REGULAR_FOR_S)


def _regular(username: str, here: str) -> str:
    return f"regular:{digest(username, here)}"


def _about(username: str, through: str, right: bool) -> tuple[str, str]:
    known = _named(username)
    if known is None:
        why = "no such user"
    elif not known.is_active:
        why = "user is switched off"
    else:
        why = "right password, but not admitted" if right else "wrong password"
    return _subject(username, known), f"{why}, {through}"


def _named(username: str) -> User | None:
    return User.objects.filter(username=username).first()


def _subject(username: str, known: User | None) -> str:
    """How the audit log calls whom somebody claims to be."""
    if known is not None:
        return f"user:{known.pk}"
    return f"unknown:{salted_hmac('accounts.log_in', username, algorithm='sha256').hexdigest()[:16]}"
