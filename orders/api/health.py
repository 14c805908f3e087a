"""Whether this process lives (`/healthz`), and whether the system can trade (`/readyz`)."""

from django.http import HttpRequest, JsonResponse


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})
