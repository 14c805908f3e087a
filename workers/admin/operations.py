"""The operations page of the admin: how the running system is, its dead letters, and an audit when one is wanted.

Staff look; dealers and administrators act. Every act goes through a verb or a task and is noted in the
audit log. Without PostgreSQL nobody can be asked who he is: then the page tells what /readyz tells everybody.
"""

from collections.abc import Callable
from typing import Any

import structlog
from django.contrib import admin, messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods, require_safe
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError

from accounts import trail
from accounts.admin.access import deals
from accounts.admin.asking import WhyForm
from accounts.once import once
from orders import readiness
from orders.book import work
from orders.book.connection import glance_ledger, glance_market
from orders.verbs import letter as letters
from workers import findings, tasks
from workers.readings import AUDIT, Reader, Readings

#: How often the page reads anew.
EVERY_S = 5
MOST_LETTERS = 100
LONGEST_REASON = 200
_ACTS = {"retry": letters.retry, "discard": letters.discard}
_log = structlog.get_logger(__name__)

View = Callable[[HttpRequest], HttpResponse]


@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    context = {**_site(request, "Operations"), **_read(request), "every_s": EVERY_S}
    return TemplateResponse(request, "operations/page.html", context)


@require_safe
def readings(request: HttpRequest) -> HttpResponse:
    """What changes on the page, read anew."""
    return TemplateResponse(request, "operations/readings.html", _read(request))


@once()
@require_http_methods(["GET", "HEAD", "POST"])
def audit(request: HttpRequest) -> HttpResponse:
    """Has Celery compare the book and the record; the operations page shows the report when it is there."""
    if not deals(request):
        raise PermissionDenied
    form = WhyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        _begin_audit(request, form.cleaned_data["why"])
        return HttpResponseRedirect(reverse("admin:operations"))
    title = "Compare book and record now"
    context = {**_site(request, title), "form": form, "label": "Compare now"}
    return TemplateResponse(request, "accounts/ask.html", context)


def _begin_audit(request: HttpRequest, why: str) -> None:
    try:
        glance_market().ping()  # through it Celery is asked, and it would be waited for much longer there
        trail.note(_principal(request), AUDIT, "platform", reason=why)
        tasks.nightly_audit.apply_async(retry=False)
    except (RedisError, BrokerAway) as error:
        _log.warning("audit_not_asked", error=str(error))
        messages.error(request, "The market instance, through which Celery is asked, is away: no audit was begun.")
    else:
        messages.success(request, "The audit is asked for. Its result appears below when it has ended.")


@require_http_methods(["GET", "HEAD", "POST"])
def dead_letters(request: HttpRequest) -> HttpResponse:
    """The letters, to be looked at by staff; retried or discarded with a reason by dealers and administrators."""
    asked = request.POST
    if request.method == "POST" and not deals(request):
        raise PermissionDenied
    try:
        if request.method == "POST" and _act(request):
            return HttpResponseRedirect(reverse("admin:dead_letters"))
        counted = {queue: work.dead_letters(glance_ledger(), queue, MOST_LETTERS) for queue in work.QUEUES}
    except readiness.AWAY as error:
        messages.error(request, f"The ledger is away, so its dead letters can't be read or dealt with: {error}")
        counted = {}
    context = {
        **_site(request, "Dead letters"),
        "letters": [letter for found in counted.values() for letter in found],
        "away": not counted,
        "most": MOST_LETTERS,
        "may_act": deals(request),
        "chosen": asked.getlist("letter"),
        "reason": asked.get("reason", ""),
        "longest_reason": LONGEST_REASON,
    }
    return TemplateResponse(request, "operations/dead_letters.html", context)


def _act(request: HttpRequest) -> bool:
    """Deals with the chosen letters, one by one, and says what came of it. False when something is missing."""
    act, chosen = _ACTS.get(request.POST.get("act", "")), request.POST.getlist("letter")
    reason = request.POST.get("reason", "").strip()
    if act is None or not chosen or not reason:
        messages.error(request, "Nothing was done: choose letters, give a reason, then retry or discard them.")
        return False
    by = _principal(request)
    done = [act(*name.partition("/")[::2], by, reason[:LONGEST_REASON]) for name in chosen]
    dealt = sum(letter is not None for letter in done)
    gone = len(done) - dealt
    if dealt:
        what = "back in the queue" if act is letters.retry else "discarded; the audit log keeps what was in it"
        messages.success(request, f"{_letters(dealt)}: {what}.")
    if gone:
        messages.warning(request, f"{_letters(gone)}: gone already, dealt with by somebody else. Nothing was done.")
    return True


def _letters(count: int) -> str:
    return "1 letter" if count == 1 else f"{count} letters"


def _read(request: HttpRequest) -> dict[str, Any]:
    read = Reader().take()
    return {
        "readings": read,
        "headline": findings.headline(read),
        "findings": findings.findings(read),
        "lag_s": findings.LAG_S,
        "kinds": len(readiness.WORKERS),
        "may_act": deals(request),
    }


def _site(request: HttpRequest, title: str) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title}


def _principal(request: HttpRequest) -> str:
    return f"user:{request.user.pk}"


def _for_staff(view: View) -> View:
    """Behind the log-in. While PostgreSQL is away nobody can log in, and the page says so instead of breaking."""
    guarded = admin.site.admin_view(view)

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            response = guarded(request)
            return response.render() if isinstance(response, TemplateResponse) else response
        except (OperationalError, InterfaceError) as error:
            _log.warning("operations_without_database", error=str(error))
            return _without_database(request)

    return answer


def _without_database(request: HttpRequest) -> HttpResponse:
    request.user = AnonymousUser()
    read = Readings(ready=readiness.look())
    told = {"headline": findings.headline(read), "findings": list(findings.of_readiness(read.ready))}
    context = {**told, "ready": read.ready, "at": read.at, "kinds": len(readiness.WORKERS), "title": "Operations"}
    response = TemplateResponse(request, "operations/without_database.html", context, status=503)
    return response.render()


def _urls() -> list[URLPattern]:
    return [
        path("operations/", _for_staff(operations), name="operations"),
        path("operations/readings/", _for_staff(readings), name="operations_readings"),
        path("operations/audit/", _for_staff(audit), name="operations_audit"),
        path("operations/dead-letters/", _for_staff(dead_letters), name="dead_letters"),
    ]


admin.site.extra_urls = _urls  # type: ignore[attr-defined]  # asked for by unfold's site
