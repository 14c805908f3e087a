"""The API's description: for programs as OpenAPI, for people as a page to read and try out. Open to everybody."""

from functools import cache
from hashlib import sha256
from threading import Lock
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from accounts.api.base import ApiView
from orders.api.queries import Query, asked_by

#: What draws the description is not made for threads.
_DRAWING = Lock()


class OpenToAll(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    schema = None  # type: ignore[assignment]
    http_method_names = ["get", "head"]


class Description(OpenToAll):
    """Depends on nothing but the code, so a process draws it once."""

    def get(self, request: Request) -> HttpResponse:
        asked_by(Query, request)
        with _DRAWING:
            drawn, etag = _drawn()
        answer = HttpResponse(drawn, content_type=OpenApiJsonRenderer.media_type, headers={"ETag": etag})
        return get_conditional_response(request._request, etag=etag, response=answer) or answer  # noqa: SLF001

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        if final.status_code in (200, 304):
            final["Cache-Control"] = "no-cache"  # which is to ask again, with the ETag
        return final


class DocsPage(OpenToAll):
    def get(self, request: Request) -> HttpResponse:
        asked_by(Query, request)
        shown = SpectacularSwaggerView(url_name="schema").get(request)  # type: ignore[no-untyped-call]
        page = render(request._request, shown.template_name, shown.data)  # noqa: SLF001
        for name, value in shown.headers.items():
            page[name] = value
        return page


@cache
def _drawn() -> tuple[bytes, str]:
    """The description as JSON, and its ETag."""
    described = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    drawn: bytes = OpenApiJsonRenderer().render(described)
    return drawn, f'"{sha256(drawn).hexdigest()[:32]}"'
