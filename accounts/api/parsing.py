"""Request bodies, read strictly: one JSON object in UTF-8, at most 64 KiB, 16 levels deep, no key twice, no NaN.

A number stays what was typed: a `Decimal` if it was plain digits, else `NotPlain`, which every
field refuses by name. Nothing here recurses deeper than the limit, whatever is sent.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, NoReturn, cast

from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from accounts.api.problems import Refused
from copytrading.kernel.decimals import parse_plain
from copytrading.kernel.rejections import Reason, Rejection

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 16

# A string, closed or running off the end, is skipped in one match, so that a scan is linear whatever is sent.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_LONG_ID = re.compile(r"[1-9][0-9]{15,17}", re.ASCII)
_CHARSET = re.compile(r'charset\*?\s*=\s*"?([^";\s]*)')
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN_KEY_LENGTH = 64


@dataclass(frozen=True, slots=True)
class NotPlain:
    """A JSON number that is not plain digits: 1e2, -0, or wider than any amount."""


NOT_PLAIN = NotPlain()


class StrictJSONParser(BaseParser):
    """DRF's way in. Reads at most one byte more than the limit, whatever Content-Length claims."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        _require_json(media_type or "", parser_context["request"] if parser_context else None)
        if _claimed_length(parser_context) > MAX_BODY_BYTES:
            raise _too_large()
        raw = read_bounded(stream, MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise _too_large()
        return parse_object(raw)


def body_of(request: Request) -> dict[str, Any]:
    """The request's JSON object. An empty body is none, whatever its media type is called."""
    # Only StrictJSONParser fills it, and that gives an object or raises.
    parsed = cast(dict[str, Any], request.data)
    if not parsed and is_empty(request):
        _require_json(request.content_type or "", request)
        raise _invalid("The body is empty.")
    return parsed


def is_empty(request: Request) -> bool:
    """Whether nothing was sent at all, not even {}."""
    return request.stream is None


def parse_object(raw: bytes) -> dict[str, Any]:
    """One JSON object from `raw`. Raises Refused(invalid_json) for anything else."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid("The body is not UTF-8.") from None
    if _too_deep(text):
        raise _invalid(f"The body is nested more than {MAX_DEPTH} levels deep.")
    try:
        parsed = json.loads(
            text, parse_int=_number, parse_float=_number, parse_constant=_no_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise _invalid(f"Not JSON at line {error.lineno}, column {error.colno}.") from None
    if not isinstance(parsed, dict):
        raise _invalid("The body is not one JSON object.")
    if _SURROGATE_ESCAPE.search(text):
        _require_encodable(parsed)
    return parsed


def read_bounded(stream: IO[Any], limit: int) -> bytes:
    """At most `limit` bytes. A server may hand a body over in pieces."""
    pieces, length = [], 0
    while length < limit:
        piece: bytes = stream.read(limit - length)
        if not piece:
            break
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces)


def shown(key: str) -> str:
    """A key as the client wrote it, fit to be repeated in an answer: short and printable."""
    return "".join(character if character.isprintable() else "?" for character in key[:_SHOWN_KEY_LENGTH])


def _claimed_length(parser_context: Mapping[str, Any] | None) -> int:
    claimed: str = parser_context["request"].META.get("CONTENT_LENGTH", "") if parser_context else ""
    return int(claimed) if claimed.isascii() and claimed.isdigit() and len(claimed) < 19 else 0


def _require_json(content_type: str, request: Request | None) -> None:
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "") if request else ""
    if encoding.strip().lower() not in ("", "identity"):
        detail = "A compressed body is not read; send it as it is, without Content-Encoding."
        raise Refused(Rejection(Reason.unsupported_media_type, detail))
    media_type, _, parameters = content_type.lower().partition(";")
    charset = _CHARSET.search(parameters)
    if media_type.strip() != "application/json" or (charset and charset[1] not in ("utf-8", "utf8")):
        raise Refused(Rejection(Reason.unsupported_media_type, "Only application/json in UTF-8 is read."))


def _too_deep(text: str) -> bool:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        match match[0][0]:
            case "{" | "[":
                depth += 1
            case "}" | "]":
                depth -= 1
        if depth > MAX_DEPTH:
            return True
    return False


def _number(text: str) -> Decimal | NotPlain:
    """An id has more digits than any amount; the field that it is for decides how many it takes."""
    number = Decimal(text) if _LONG_ID.fullmatch(text) else parse_plain(text)
    return NOT_PLAIN if number is None else number


def _no_constant(name: str) -> NoReturn:
    raise _invalid(f"{name} is not JSON.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    raise Refused(Rejection(Reason.invalid_json, "The same key stands twice in one object.", {shown(twice): "twice"}))


def _require_encodable(value: Any) -> None:
    """Refuses half a surrogate pair, which is no character and can't be stored or sent on."""
    parts: Iterable[Any] = ()
    match value:
        case str():
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise _invalid("A text holds half of a surrogate pair.")
        case dict():
            parts = (part for pair in value.items() for part in pair)
        case list():
            parts = value
    for part in parts:
        _require_encodable(part)


def _invalid(detail: str) -> Refused:
    return Refused(Rejection(Reason.invalid_json, detail))


def _too_large() -> Refused:
    return Refused(Rejection(Reason.body_too_large, f"The body has more than {MAX_BODY_BYTES} bytes."))
