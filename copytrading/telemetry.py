"""What this code base counts of its own work, in one place: names, labels and buckets, and what a request was about.

Every process of a stack counts into files of one folder (`METRICS_DIR`), which `/metrics` adds up. Labels are
words of our own (verbs, reasons, URL patterns), never what a client typed, so the number of series is bounded.
Counting never fails what is counted.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any, Final, ParamSpec

import structlog
from prometheus_client import Counter, Histogram

P = ParamSpec("P")

#: Seconds, from half a millisecond to ten seconds.
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: The label of what does not apply, or is not known.
NONE: Final = "none"

# Each has a label: one without would make its file in every process that imports this.
_COMMANDS = Counter(
    "copytrading_commands_total", "Commands by verb, kind of account, flow and outcome.",
    ["verb", "kind", "flow", "outcome"],
)  # fmt: skip
_COMMAND_SECONDS = Histogram(
    "copytrading_command_seconds", "How long commands took.", ["verb", "flow"], buckets=BUCKETS
)
_REQUESTS = Counter(
    "copytrading_requests_total", "HTTP requests by method, URL pattern and status.", ["method", "route", "status"]
)
_REQUEST_SECONDS = Histogram(
    "copytrading_request_seconds", "How long HTTP requests took.", ["route"], buckets=BUCKETS
)
_RECORDED = Counter("copytrading_recorded_entries_total", "Journal entries folded into PostgreSQL.", ["kind"])

#: Whether a request is being answered in this thread.
answering: ContextVar[bool] = ContextVar("answering", default=False)
_log = structlog.get_logger(__name__)


def about_request(**facts: Any) -> None:
    """What the request being answered turned out to be about; its line in the log tells it. Elsewhere nothing."""
    if answering.get():
        structlog.contextvars.bind_contextvars(**{name: fact for name, fact in facts.items() if fact is not None})


def _harmless(count: Callable[P, None]) -> Callable[P, None]:
    """A folder that is gone, full or somebody else's costs the figure, and never what it is the figure of."""

    @wraps(count)
    def counted(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except OSError as error:
            _tell_once(str(error))

    return counted


@cache
def _tell_once(error: str) -> None:
    _log.error("not_counted", error=error, advice="check METRICS_DIR; figures of this process are missing")


@_harmless
def count_command(verb: str, kind: str, flow: str, outcome: str, seconds: float) -> None:
    inc, observe = _of_command(verb, kind, flow, outcome)
    inc()
    observe(seconds)


@cache  # finding a series among its labels takes longer than counting
def _of_command(verb: str, kind: str, flow: str, outcome: str) -> tuple[Callable[[], None], Callable[[float], None]]:
    return _COMMANDS.labels(verb, kind, flow, outcome).inc, _COMMAND_SECONDS.labels(verb, flow).observe


@_harmless
def count_request(method: str, route: str, status: int, seconds: float) -> None:
    _REQUESTS.labels(method, route, str(status)).inc()
    _REQUEST_SECONDS.labels(route).observe(seconds)


@_harmless
def count_recorded(kind: str, entries: int) -> None:
    _RECORDED.labels(kind).inc(entries)
