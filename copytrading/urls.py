"""Where every address of the site leads."""

from typing import Any

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework.renderers import TemplateHTMLRenderer

from accounts import admin_log_in
from accounts.api.schema import Description
from orders.api import health, metrics

# The description of the API is for everybody; what it describes asks for a log-in.
_OPEN: dict[str, Any] = {"authentication_classes": [], "permission_classes": []}

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.Metrics.as_view(), name="metrics"),
    path("admin", RedirectView.as_view(url="/admin/")),
    # Before the admin's own pages of the same paths.
    path("admin/login/", admin_log_in.log_in),
    path("admin/logout/", admin_log_in.log_out),
    path("admin/", admin.site.urls),
    path("api/schema", Description.as_view(), name="schema"),
    path(
        "api/docs",
        SpectacularSwaggerView.as_view(renderer_classes=[TemplateHTMLRenderer], url_name="schema", **_OPEN),
        name="docs",
    ),
    path("api/", include("accounts.api.urls")),
    path("api/", include("orders.api.urls")),
]

# Under api/ these answer in JSON, elsewhere as Django does.
handler400 = "accounts.api.problems.bad_request"
handler403 = "accounts.api.problems.permission_denied"
handler404 = "accounts.api.problems.page_not_found"
handler500 = "accounts.api.problems.server_error"
