"""The API's description, drawn from the same fields and views that check the requests."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from accounts.api.fields import IDEMPOTENCY_KEY
from accounts.api.problems import CONTENT_TYPE
from copytrading.kernel.rejections import Reason

_ABOUT = """
Log in with `POST /api/auth/login` and send the token, or an API key, as `Authorization: Bearer ...`.

JSON in, JSON out, no path ends in a slash. Amounts in answers are decimal strings; requests may use strings or
numbers in plain digits. Every answer has `ok`. A refusal did nothing: it is problem+json with its `reason`, a `detail`
of this case, the `fields` meant, and an `advice`. The same `Idempotency-Key` with the same body gives the stored
answer again. After a lost reply (`outcome_unknown`) send the same body with the same key to learn what happened.

Lists come newest first in pages: send `next_cursor` back as `cursor` until it is null.

## Reasons

"""
F = TypeVar("F", bound=Callable[..., Any])


class Problem(serializers.Serializer[Any]):
    """Every refusal and every failure. What the client needs beside (`required`, `available`, ...) is merged in."""

    ok = serializers.BooleanField(help_text="Always false.")
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    reason = serializers.ChoiceField(choices=[reason.name for reason in Reason])
    detail = serializers.CharField(help_text="About this case.")
    fields = serializers.DictField(child=serializers.CharField(), help_text="What in the request is meant.")  # type: ignore[assignment]
    advice = serializers.CharField(help_text="What to do next.")


def answers(shape: Any, query: Any = None) -> Callable[[F], F]:
    """Marks a view's method with what it answers and what its query string may hold, for the description."""

    def mark(method: F) -> F:
        method.answer, method.query = shape, query  # type: ignore[attr-defined]
        return method

    return mark


class ApiSchema(AutoSchema):
    """For views that name their `body`, their `answer`, their `done_status` where it is not 200, and whether what
    they do `may_wait` for the provider."""

    def get_request_serializer(self) -> Any:
        return getattr(self.view, "body", None) if self.method == "POST" else None

    def get_response_serializers(self) -> Any:
        shape = self._marked("answer") or getattr(self.view, "answer", OpenApiTypes.OBJECT)
        status = getattr(self.view, "done_status", 200) if self.method == "POST" else 200
        told = {status: OpenApiResponse(shape, description="Done. Amounts are decimal strings.")}
        if getattr(self.view, "may_wait", False):
            told[202] = OpenApiResponse(shape, description="Accepted; the order waits for its provider.")
        return told | {("default", CONTENT_TYPE): OpenApiResponse(Problem, description="Refused, or failed.")}

    def get_override_parameters(self) -> list[Any]:
        if query := self._marked("query"):
            return [query]
        if self.method != "POST" or not getattr(self.view, "repeatable", False):
            return []
        told = "Makes repeating the request harmless: same key and body, same answer. Or `idempotency_key` in the body."
        schema = {"type": "string", "pattern": IDEMPOTENCY_KEY}
        return [OpenApiParameter("Idempotency-Key", schema, OpenApiParameter.HEADER, description=told)]

    def get_summary(self) -> str:
        return self.get_description().split(".")[0].split(":")[0]

    def get_description(self) -> str:  # type: ignore[override]
        """Of a command that of its body, of all else that of the method."""
        told = self.get_request_serializer() or getattr(self.view, getattr(self.view, "action", ""), self.view)
        return " ".join((told.__doc__ or "").split())

    def _is_list_view(self, serializer: Any = None) -> bool:
        """For names alone: a page of a list is one object with the list in it."""
        return serializer is None and super()._is_list_view()

    def _marked(self, name: str) -> Any:
        return getattr(getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None), name, None)


def describe(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Puts the table of all reasons on the docs page."""
    result["info"]["description"] = _ABOUT + reasons_table()
    return result


def reasons_table() -> str:
    """Every reason with its HTTP status and what to do, in Markdown."""
    rows = [
        f"| `{reason.name}` | {reason.http_status} | {'yes' if reason.transient else ''} | {reason.advice} |"
        for reason in Reason
    ]
    return "\n".join(("| reason | HTTP | try again | what to do |", "|---|---|---|---|", *rows)) + "\n"


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "The token of a log-in, or an API key."}


class StrictFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.api.fields.StrictField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        described: dict[str, Any] = self.target.described()
        return described


class StrictSerializerSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        describe: Any = auto_schema._map_serializer  # noqa: SLF001  what its own extensions call
        mapped = describe(self.target, direction, bypass_extensions=True)
        return {**mapped, "additionalProperties": False}
