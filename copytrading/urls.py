"""Where every address of the site leads."""

from typing import Any

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.renderers import TemplateHTMLRenderer

from accounts.admin_people import change_own_password
from orders.api import health

# The description of the API is for everybody; what it describes asks for a log-in.
_OPEN: dict[str, Any] = {"authentication_classes": [], "permission_classes": []}

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/password_change/", admin.site.admin_view(change_own_password, cacheable=True)),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(renderer_classes=[OpenApiJsonRenderer], **_OPEN), name="schema"),
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
