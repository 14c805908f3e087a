"""The view every API view is made from: strict JSON in, JSON out, a known principal, problems for everything else."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from accounts.access import Principal
from accounts.api.authentication import BearerAuthentication
from accounts.api.parsing import StrictJSONParser
from accounts.api.problems import exception_handler, plain
from accounts.api.schema import ApiSchema
from accounts.api.throttling import PrincipalThrottle
from copytrading.kernel.rejections import Reason, Rejection


class JSONOnly(BaseContentNegotiation):
    """There is one way in and one way out; what a client says it accepts changes neither."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        only = next(iter(renderers))
        return only, only.media_type


class ApiView(APIView):
    """Views below take `body_of(request)` once and `principal(request)`, and raise `Refused` or return a Response."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (BearerAuthentication,)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated,)
    throttle_classes: Sequence[type[BaseThrottle]] = (PrincipalThrottle,)
    parser_classes = (StrictJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = JSONOnly
    metadata_class = None
    schema = ApiSchema()
    http_method_names = ["get", "head", "post"]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return exception_handler

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "no-store"
        return final


def read_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For views that are not of the API's making: GET and HEAD alone, and a problem for every other method."""

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in ("GET", "HEAD"):
            return view(request, *args, **kwargs)
        refused = plain(Rejection(Reason.method_not_allowed))
        refused["Allow"] = "GET, HEAD"
        return refused

    return answer


class ApiViewSet(ViewSetMixin, ApiView):
    """Views whose actions are named where their paths are: `as_view({"get": "list"})`."""


def principal(request: Request) -> Principal:
    """Who asks. Only for views that let nobody else in."""
    known = request.auth
    if not isinstance(known, Principal):
        raise TypeError("principal() was asked in a view that lets unknown people in; set its permission_classes")
    return known
