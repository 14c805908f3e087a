"""What Django can't read of a request is put right before Django sees it. Wraps the WSGI application.

Django takes a body without Content-Length for empty, and raises, with a bare 500, on a Content-Type
whose parameters name an unknown encoding (RFC 2231), or whose charset can't decode a query string. All
are the client's to choose, so all get an answer from the API: the body is counted here, such a media
type is none, and where no body is read there is no media type.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.utils.http import parse_header_parameters

from accounts.api.parsing import MAX_BODY_BYTES, read_bounded

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def intake(application: Application) -> Application:
    def take(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith("/api/"):
            _drop_unused_media_type(environ)
            _count_body(environ)
        return application(environ, start_response)

    return take


def _drop_unused_media_type(environ: dict[str, Any]) -> None:
    if environ.get("REQUEST_METHOD") in ("GET", "HEAD"):
        environ["CONTENT_TYPE"] = ""
    try:
        parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    except (LookupError, ValueError):
        environ["CONTENT_TYPE"] = ""


def _count_body(environ: dict[str, Any]) -> None:
    """A body sent in chunks has no length. The server must say that its input ends where the body does."""
    chunked = environ.get("HTTP_TRANSFER_ENCODING", "").strip().lower() == "chunked"
    if not chunked or not environ.get("wsgi.input_terminated"):
        return
    body = read_bounded(environ["wsgi.input"], MAX_BODY_BYTES + 1)
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
