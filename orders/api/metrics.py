"""`GET /metrics` for Prometheus: what all processes of this stack have counted, and how everything is right now.

Open to whoever asks from this very machine, as a Prometheus beside it does. A request that came through a proxy,
or from elsewhere, needs `Authorization: Bearer` of somebody who may look at every account (support, dealers,
administrators, or a service's key of theirs).
"""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.access import Principal
from accounts.api.authentication import BearerAuthentication
from accounts.api.base import JSONOnly
from accounts.api.problems import Refused
from copytrading.kernel.rejections import Reason, Rejection
from orders.api import gauges

LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
#: What a proxy adds: the peer on this machine then stands for somebody elsewhere.
_PROXIED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


class MayScrape(BasePermission):
    def has_permission(self, request: Request, view: object) -> bool:
        known = request.auth
        if isinstance(known, Principal) and not known.looks_everywhere:
            raise Refused(Rejection(Reason.not_permitted, "Figures of the whole system are for staff."))
        return is_local(request) or known is not None


class Metrics(APIView):
    """Never a 500 for what is away: it is told as being down."""

    permission_classes = (MayScrape,)
    content_negotiation_class = JSONOnly
    schema = None
    http_method_names = ["get", "head"]

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [] if self.request is not None and is_local(self.request) else [BearerAuthentication()]

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Everything())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Everything(Collector):
    def collect(self) -> Iterable[Metric]:
        yield from counted(settings.ENV.metrics_dir)
        yield from gauges.read()


def counted(folder: Path) -> Iterable[Metric]:
    """The sum of what every process has counted. A process that has just begun has a file with nothing in it."""
    files = [str(file) for file in folder.glob("*.db") if file.stat().st_size]
    found: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return found


def is_local(request: Request) -> bool:
    meta = request.META
    return meta.get("REMOTE_ADDR") in LOOPBACK and not any(name in meta for name in _PROXIED)
