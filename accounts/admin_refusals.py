"""What the admin refuses wherever it is asked: forms staff may not send, which is noted; pages without PostgreSQL."""

from collections.abc import Callable

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from accounts import trail
from accounts.limits import Limit, unless_away
from accounts.models import User
from copytrading.kernel.rejections import Reason

FORM = "forbidden_form"
#: Of one person at one address, in entries a minute.
_NOTED = Limit("forbidden_form", allowed=1, window_s=60)
_LONGEST_SUBJECT = 64
_AWAY_RETRY_S = 5
_log = structlog.get_logger(__name__)


class Forbidden(PermissionDenied):
    """A refusal that knows what was tried, and on what."""

    def __init__(self, action: str, subject: str) -> None:
        super().__init__(action)
        self.action = action
        self.subject = subject


class NotedRefusals:
    """A middleware. Who only looks at a page he may not see is refused as well, but that does nothing to be noted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        user, path = getattr(request, "user", None), request.path_info
        sent = request.method == "POST" and path.startswith("/admin/")
        if not (sent and isinstance(error, PermissionDenied) and isinstance(user, User) and user.is_staff):
            return
        counted = unless_away(lambda: _NOTED.count(str(user.pk), path))
        if counted is None or counted.beyond <= 0:
            action, subject = (error.action, error.subject) if isinstance(error, Forbidden) else (FORM, path)
            trail.note(f"user:{user.pk}", action, subject[:_LONGEST_SUBJECT], outcome=Reason.not_permitted.name)


class RecordAway:
    """A middleware. No page can be shown without PostgreSQL, except the one that says so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not (request.path_info.startswith("/admin/") and isinstance(error, OperationalError | InterfaceError)):
            return None
        _log.error("page_without_record", error=" ".join(str(error).split()))
        headers = {"Retry-After": str(_AWAY_RETRY_S), "Cache-Control": "no-store"}
        return HttpResponse(render_to_string("503.html"), status=503, headers=headers)
