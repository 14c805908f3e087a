"""How the API says no: one `application/problem+json` (RFC 9457) for every refusal and every failure, never HTML."""

import math
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.views import defaults
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rest_framework import exceptions
from rest_framework.response import Response

from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.rejections import Reason, Rejection
from copytrading.telemetry import about_request

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"

#: Seconds after which asking again makes sense; one second where a reason is not listed.
_RETRY_AFTER_S = {
    Reason.rate_limited: 60,
    Reason.ledger_unavailable: 5,
    Reason.record_unavailable: 5,
    Reason.trading_halted: 60,
    Reason.market_closed: 60,
    Reason.provider_unreachable: 5,
}

#: A market that opens on Monday may be opened, and a halt lifted, before.
_LONGEST_WAIT_S = 3600

#: What the frameworks and drivers raise, and how it is called here. The first row that fits counts.
_REASONS: tuple[tuple[tuple[type[Exception], ...], Reason], ...] = (
    ((exceptions.NotAuthenticated, exceptions.AuthenticationFailed), Reason.not_authenticated),
    ((exceptions.PermissionDenied, PermissionDenied), Reason.not_permitted),
    ((exceptions.NotFound, Http404), Reason.path_not_found),
    ((exceptions.MethodNotAllowed,), Reason.method_not_allowed),
    ((exceptions.UnsupportedMediaType,), Reason.unsupported_media_type),
    ((exceptions.ValidationError,), Reason.invalid_fields),
    ((exceptions.NotAcceptable,), Reason.not_acceptable),
    ((RequestDataTooBig,), Reason.body_too_large),
    ((DisallowedHost,), Reason.host_not_allowed),
    ((exceptions.ParseError, UnreadablePostError, SuspiciousOperation), Reason.invalid_json),
    ((exceptions.Throttled,), Reason.rate_limited),
    ((LedgerUnavailable,), Reason.ledger_unavailable),
    # The Redis met here is the cache's, which counts tries to log in; the ledger's errors have names of their own.
    ((OperationalError, InterfaceError, RedisConnectionError, RedisTimeoutError), Reason.record_unavailable),
)


class Refused(Exception):
    """A rejection on its way out of a view; the exception handler answers with it."""

    def __init__(self, rejection: Rejection, retry_after_s: int | None = None) -> None:
        super().__init__(rejection.reason.name)
        self.rejection = rejection
        self.retry_after_s = retry_after_s


def problem(rejection: Rejection, retry_after_s: int | None = None) -> Response:
    reason = rejection.reason
    about_request(reason=reason.name)
    headers = _headers(rejection, retry_after_s)
    return Response(body(rejection), status=reason.http_status, headers=headers, content_type=CONTENT_TYPE)


def body(rejection: Rejection) -> dict[str, Any]:
    """The members of a problem. A fact never hides one of the members every problem has.

    What may be our fault names the request, so that whoever tells of it names the lines of the log as well.
    """
    reason = rejection.reason
    request = structlog.contextvars.get_contextvars().get("request")
    return {
        **rejection.facts,
        **({"request_id": request} if request and reason.http_status >= 500 else {}),
        "ok": False,
        "type": f"urn:problem-type:{reason.name}",
        "title": reason.name.replace("_", " ").capitalize(),
        "status": reason.http_status,
        "reason": reason.name,
        "detail": rejection.detail or reason.advice,
        "fields": rejection.fields,
        "advice": reason.advice,
    }


def outcome_unknown(command_id: str, key: str) -> Response:
    """The commit was sent and its reply lost. `key` is what the client sends again with the same body to learn more."""
    facts = {"outcome": "unknown", "command_id": command_id}
    if key:
        facts["idempotency_key"] = key
    return problem(
        Rejection(
            Reason.outcome_unknown,
            "The reply of the ledger was lost: the command may have been carried out. "
            "Send the same body with the same Idempotency-Key; it is carried out at most once.",
            facts=facts,
        )
    )


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answers for every exception that has an answer; None (the framework then raises) only for our own bugs."""
    match error:
        case Refused():
            return problem(error.rejection, error.retry_after_s)
        case OutcomeUnknown():
            return outcome_unknown(error.command_id, getattr(context.get("view"), "idempotency_key", ""))
    reason = _reason_of(error)
    if reason and reason.http_status >= 500:
        log.warning("request_failed", reason=reason.name, error=str(error))
    wait_s = getattr(error, "wait", None)
    return problem(Rejection(reason, _detail_of(error)), math.ceil(wait_s) if wait_s else None) if reason else None


def _reason_of(error: Exception) -> Reason | None:
    return next((reason for kinds, reason in _REASONS if isinstance(error, kinds)), None)


def _detail_of(error: Exception) -> str:
    """Our own words only: a driver's message names hosts, a framework's may repeat what the client sent."""
    return str(error) if isinstance(error, exceptions.AuthenticationFailed) else ""


def _headers(rejection: Rejection, retry_after_s: int | None) -> dict[str, str]:
    headers = {}
    reason, known_s = rejection.reason, retry_after_s or rejection.retry_after_s
    if reason.transient:
        headers["Retry-After"] = str(min(max(1, known_s or _RETRY_AFTER_S.get(reason, 1)), _LONGEST_WAIT_S))
    if reason.http_status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return headers


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400, as the three below are its handler403, handler404 and handler500."""
    if isinstance(exception, DisallowedHost):
        return plain(Rejection(Reason.host_not_allowed))
    rejection = Rejection(Reason.invalid_json, "The request itself is malformed: check its headers and path.")
    return defaults.bad_request(request, exception) if _is_page(request) else plain(rejection)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    rejection = Rejection(Reason.not_permitted)
    return defaults.permission_denied(request, exception) if _is_page(request) else plain(rejection)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return defaults.page_not_found(request, exception) if _is_page(request) else plain(Rejection(Reason.path_not_found))


def server_error(request: HttpRequest) -> HttpResponse:
    return defaults.server_error(request) if _is_page(request) else plain(Rejection(Reason.internal_error))


def _is_page(request: HttpRequest) -> bool:
    """What people look at in a browser; everything else is for programs."""
    return request.path_info.startswith(("/admin/", settings.STATIC_URL))


def plain(rejection: Rejection, retry_after_s: int | None = None) -> JsonResponse:
    """The same answer where no view, and so no renderer, was reached."""
    reason = rejection.reason
    about_request(reason=reason.name)
    headers = _headers(rejection, retry_after_s)
    return JsonResponse(body(rejection), status=reason.http_status, headers=headers, content_type=CONTENT_TYPE)
