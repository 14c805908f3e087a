"""The API's description, drawn from the same fields and views that check the requests."""

from typing import Any

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


class ApiSchema(AutoSchema):
    """For views that name their `body`, and their `done_status` where it is not 200."""

    def get_request_serializer(self) -> Any:
        return getattr(self.view, "body", None) if self.method == "POST" else None

    def get_response_serializers(self) -> Any:
        status = getattr(self.view, "done_status", 200)
        return {
            status: OpenApiResponse(OpenApiTypes.OBJECT, description="Done. Amounts are decimal strings."),
            ("default", CONTENT_TYPE): OpenApiResponse(Problem, description="Refused, or failed."),
        }

    def get_override_parameters(self) -> list[Any]:
        if not getattr(self.view, "repeatable", False):
            return []
        told = "Makes repeating the request harmless: same key and body, same answer. Or `idempotency_key` in the body."
        schema = {"type": "string", "pattern": IDEMPOTENCY_KEY}
        return [OpenApiParameter("Idempotency-Key", schema, OpenApiParameter.HEADER, description=told)]


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
