"""Where every address of the site leads."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts import admin_log_in
from accounts.api.base import read_only
from orders.api import description, health, metrics

urlpatterns = [
    path("", read_only(RedirectView.as_view(url="/api/docs"))),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.Metrics.as_view(), name="metrics"),
    path("admin", RedirectView.as_view(url="/admin/")),
    # Before the admin's own pages of the same paths.
    path("admin/login/", admin_log_in.log_in),
    path("admin/logout/", admin_log_in.log_out),
    path("admin/", admin.site.urls),
    path("api/schema", description.Description.as_view(), name="schema"),
    path("api/docs", description.DocsPage.as_view(), name="docs"),
    path("api/", include("accounts.api.urls")),
    path("api/", include("orders.api.urls")),
]

# In the admin and for static files these answer as Django does, elsewhere in JSON.
handler400 = "accounts.api.problems.bad_request"
handler403 = "accounts.api.problems.permission_denied"
handler404 = "accounts.api.problems.page_not_found"
handler500 = "accounts.api.problems.server_error"
