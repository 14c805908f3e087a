"""Whether this process lives (`/healthz`), and whether the system can trade (`/readyz`)."""

from django.http import HttpRequest, JsonResponse
from django.urls import path


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


urlpatterns = [path("healthz", healthz, name="healthz")]
