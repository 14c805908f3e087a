"""How often the API may be asked: tries to log in, tokens that open nothing, requests of those who are known.

docs/decisions/0012-limits-and-trail.md says why these limits are what they are.
"""

from typing import cast

import structlog
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from accounts import trail
from accounts.access import Principal
from accounts.api.problems import Refused
from accounts.limits import Count, Limit, network, permits, unless_away
from copytrading.kernel.rejections import Reason, Rejection

_log = structlog.get_logger(__name__)

#: Tries to log in from one address, whoever it says it is.
LOG_IN_TRIES = Limit("log_in", allowed=60, window_s=60)
#: Tokens from one address that opened nothing.
TOKENS_REFUSED = Limit("tokens_refused", allowed=60, window_s=60)
#: Over how long API_RATE is averaged.
_RATE_WINDOW_S = 10


def count_log_in_try(address: str) -> None:
    """Raises Refused when that is one too many."""
    counted = LOG_IN_TRIES.count(network(address))
    if counted.beyond > 0:
        if counted.beyond == 1:
            reason = f"more than {counted.allowed} tries from this address"
            trail.note_stranger("log_in_throttled", Reason.rate_limited.name, lambda: ("", reason))
        raise too_many("Too many tries", counted)


def check_unknown_token(address: str) -> None:
    """Raises Refused for an address that has sent too many tokens which open nothing: PostgreSQL is not asked."""
    counted = unless_away(lambda: TOKENS_REFUSED.look(network(address)))
    if counted and counted.beyond >= 0:
        raise too_many("Too many unknown tokens from this address", counted)


def too_many(what: str, counted: Count) -> Refused:
    return Refused(Rejection(Reason.rate_limited, f"{what}; wait {counted.wait_s} seconds."), counted.wait_s)


class LogInThrottle(BaseThrottle):
    """Counts each request to log in by its address, before the body is read."""

    def allow_request(self, request: Request, view: object) -> bool:
        count_log_in_try(client_address(request))
        return True


class PrincipalThrottle(BaseThrottle):
    """API_RATE requests a second for each key and each person, averaged; unlimited while nobody can count.

    Who is not known yet was counted before.
    """

    def allow_request(self, request: Request, view: object) -> bool:
        known = request.auth
        if isinstance(known, Principal):
            limit = Limit("requests", settings.API_RATE * _RATE_WINDOW_S, _RATE_WINDOW_S)
            if counted := unless_away(lambda: permits.count(limit, known.name)):
                if counted.beyond == 1:
                    _log.warning("requests_throttled", principal=known.name, allowed_a_second=settings.API_RATE)
                raise too_many(f"More than {settings.API_RATE} requests a second", counted)
        return True


def client_address(request: Request | HttpRequest) -> str:
    """The peer's address. X-Forwarded-For is believed only if NUM_PROXIES says how many proxies of ours write it."""
    if api_settings.NUM_PROXIES is None:
        return str(request.META.get("REMOTE_ADDR", ""))
    return str(BaseThrottle().get_ident(cast("Request", request)))
