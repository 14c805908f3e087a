"""What Django can't read of a request is put right before Django sees it. Wraps the WSGI application.

Django takes a body without Content-Length for empty, carries out one that ended early, and raises, with a bare 500, on
a Content-Type whose parameters name an unknown encoding (RFC 2231), or whose charset can't decode a query string. All
are the client's to choose, so all get an answer from the API: the body is read and counted here, up to a bounded
length, such a media type is none, and where no body is read there is no media type.

Nothing can break off the web server's reading of a body, so a client that stalls while sending holds a thread of the
web for as long as it likes. Therefore few may read at once, and of one network fewer.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO
from threading import Condition
from types import SimpleNamespace
from typing import IO, Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_header_parameters

from accounts.api.parsing import MAX_BODY_BYTES, read_bounded
from accounts.api.problems import plain
from accounts.api.throttling import client_address
from accounts.limits import network
from copytrading.kernel.rejections import Reason, Rejection

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

#: Where the environment of a request tells why its body could not be had.
_UNREAD = "copytrading.unread"
#: How many of a process's web threads may read bodies at once, so that some are left for whoever sends none; how many
#: of them for one network; and how long the next waits for its turn. A body that is there is read in microseconds.
READERS = 6
SHARE = 3
_TURN_WAIT_S = 0.05
_CROWDED_WAIT_S = 5


class Readers:
    """Who is reading a body in this process."""

    def __init__(self) -> None:
        self._reading: Counter[str] = Counter()
        self._changed = Condition()

    def read(self, stream: IO[Any], limit: int, network: str) -> bytes | None:
        """At most `limit` bytes, fewer if the body ends before. None when it is not this network's turn."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(network), _TURN_WAIT_S):
                return None
            self._reading[network] += 1
        try:
            return read_bounded(stream, limit)
        finally:
            with self._changed:
                self._reading[network] -= 1
                if not self._reading[network]:
                    del self._reading[network]
                self._changed.notify_all()

    def _has_room(self, network: str) -> bool:
        return self._reading[network] < SHARE and self._reading.total() < READERS


_readers = Readers()


def intake(application: Application) -> Application:
    def take(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if _is_api(environ):
            _drop_unused_media_type(environ)
        if refused := _take_body(environ):
            environ[_UNREAD] = refused
        return application(environ, start_response)

    return take


class UnreadBody:
    """Middleware that answers for a request whose body could not be had. The connection ends with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refused = request.META.get(_UNREAD)
        if not isinstance(refused, Rejection):
            return self._get_response(request)
        response = plain(refused, _CROWDED_WAIT_S if refused.reason is Reason.rate_limited else None)
        response["Connection"] = "close"
        return response


def _is_api(environ: dict[str, Any]) -> bool:
    return bool(environ.get("PATH_INFO", "").startswith("/api/"))


def _drop_unused_media_type(environ: dict[str, Any]) -> None:
    if environ.get("REQUEST_METHOD") in ("GET", "HEAD"):
        environ["CONTENT_TYPE"] = ""
    try:
        parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    except (LookupError, ValueError):
        environ["CONTENT_TYPE"] = ""


def _take_body(environ: dict[str, Any]) -> Rejection | None:
    """Puts the body in the place of its stream. Only POST has one: nothing here reads that of another method.

    One longer than is read anywhere is left unread; its length, which it keeps, has it refused.
    """
    stream, environ["wsgi.input"] = environ["wsgi.input"], BytesIO()
    limit = MAX_BODY_BYTES if _is_api(environ) else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    length = _length(environ, limit)
    if environ.get("REQUEST_METHOD") != "POST" or not 0 < length <= limit + 1:
        return None
    address = client_address(cast(HttpRequest, SimpleNamespace(META=environ)))
    body = _readers.read(stream, length, network(address))
    if body is None:
        detail = "Other requests have begun and not sent their bodies; send each whole, and try again in 5 seconds."
        return Rejection(Reason.rate_limited, detail)
    if len(body) < length and not _in_chunks(environ):
        return Rejection(Reason.invalid_json, "The body ended early: it is shorter than its Content-Length says.")
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return None


def _length(environ: dict[str, Any], limit: int) -> int:
    """How many bytes to read. A body sent in chunks has no length: it is read to its end, or one byte too far.

    The server must say that its input ends where the body does.
    """
    if _in_chunks(environ):
        return limit + 1 if environ.get("wsgi.input_terminated") else 0
    claimed = environ.get("CONTENT_LENGTH", "")
    return int(claimed) if claimed.isascii() and claimed.isdigit() and len(claimed) < 19 else 0


def _in_chunks(environ: dict[str, Any]) -> bool:
    return bool(environ.get("HTTP_TRANSFER_ENCODING", "").strip().lower() == "chunked")
