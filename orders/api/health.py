"""Whether this process lives (`/healthz`), and what of the system is down, by name (`/readyz`). Open to everybody.

While trading works `/readyz` stays 200, lest a balancer take the web processes away; `down` names
what is down all the same.
"""

import structlog
from django.http import HttpRequest, JsonResponse

from accounts.api.base import read_only
from orders import readiness

log = structlog.get_logger(__name__)


@read_only
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


@read_only
def readyz(request: HttpRequest) -> JsonResponse:
    ready = readiness.look()
    for name, check in ready.checks.items():
        if check.error:
            log.warning("not_ready", check=name, error=check.error)
    shown = {name: {"up": check.up, "detail": check.detail, **check.facts} for name, check in ready.checks.items()}
    body = {"ok": not ready.down, "trading": ready.trading, "down": ready.down, "checks": shown}
    return JsonResponse(body, status=200 if ready.trading else 503, headers={"Cache-Control": "no-store"})
