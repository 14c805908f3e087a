"""The context of each request: its id, the peer's address, who asks; and one line of log when it is answered.

Whatever is logged while a request is answered carries its id, which the answer has in `X-Request-ID` as well.
Nothing is taken from the client's words but what an allow-list lets through.
"""

import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import structlog
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import DatabaseError, InterfaceError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars

from accounts.api.throttling import client_address
from accounts.models import User
from copytrading import telemetry
from copytrading.kernel import clock, ids

HEADER = "X-Request-ID"
LONGEST_PATH = 200
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: Asked every few seconds by machines: their lines are for debugging.
QUIET = ("/healthz", "/readyz", "/metrics")

_IDENTITY = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9.:_%\[\]-]{1,64}", re.ASCII)
_log = structlog.get_logger(__name__)


class RequestContext:
    """The outermost middleware, so that what the others log and answer is known as well."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = clock.monotonic()
        identity = _identity(request)
        clear_contextvars()
        bind_contextvars(request=identity, address=_address(request))
        answering = telemetry.answering.set(True)
        try:
            response = self._get_response(request)
            response[HEADER] = identity
            _tell(request, response.status_code, clock.monotonic() - began)
        finally:  # the thread goes on to somebody else's request
            telemetry.answering.reset(answering)
            clear_contextvars()
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """What the address alone tells: the order it names, and in the admin who is logged in."""
        order = kwargs.get("order_id")
        if isinstance(order, str) and (account := ids.account_of(order)):
            bind_contextvars(order=order, account=str(account))
        match = request.resolver_match
        if match and "admin" in match.namespaces:
            with suppress(DatabaseError, InterfaceError):  # which the page itself will meet, and tell
                if request.user.is_authenticated:
                    bind_contextvars(principal=f"user:{request.user.pk}")


def safe_path(path: str) -> str:
    """Printable ASCII without blanks or quotes, and not longer than a line can bear."""
    return quote(path, safe="/:@!$()*,;=~+&", errors="replace")[:LONGEST_PATH]


def _identity(request: HttpRequest) -> str:
    given = request.headers.get(HEADER, "")
    return given if _IDENTITY.fullmatch(given) else uuid.uuid4().hex


def _address(request: HttpRequest) -> str:
    """A proxy may pass on what a client made up."""
    address = client_address(request)
    return address if _ADDRESS.fullmatch(address) else ""


def _tell(request: HttpRequest, status: int, seconds: float) -> None:
    method = request.method if request.method in METHODS else "OTHER"
    static = request.path_info.startswith(settings.STATIC_URL)
    route = "static" if static else f"/{request.resolver_match.route}" if request.resolver_match else "unmatched"
    telemetry.count_request(method, route, status, seconds)
    tell = _log.debug if static or request.path_info in QUIET else _log.info
    duration_ms = round(seconds * 1_000, 2)
    tell("request", method=method, path=safe_path(request.path), status=status, duration_ms=duration_ms)


@receiver(user_logged_in)
def _logged_in(sender: Any, user: User, **_: Any) -> None:
    telemetry.about_request(principal=f"user:{user.pk}")
