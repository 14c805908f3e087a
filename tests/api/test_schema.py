"""The description of the API is drawn without a warning, and says of each path what the path does."""

import pytest
from django.conf import settings
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from copytrading.kernel.rejections import Reason
from tests.api.test_bad_input import PATHS


def test_it_is_valid_and_complains_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn")

    assert "openapi: 3" in capsys.readouterr().out


def test_it_names_every_path_field_and_reason() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    bodies = schema["components"]["schemas"]

    described = {path: methods["post"] for path, methods in schema["paths"].items() if "post" in methods}
    assert set(described) == {*map(_as_described, PATHS), "/api/auth/login", "/api/auth/logout"}
    assert {name for name, body in bodies.items() if body.get("additionalProperties") is False} >= {"Execute", "Place"}
    assert sorted(bodies["Execute"]["required"]) == ["order_quantity", "order_type", "symbol", "user_id", "user_type"]
    assert bodies["Execute"]["properties"]["order_type"] == {"type": "string", "enum": ["BUY", "SELL"]}
    assert set(bodies["Problem"]["properties"]["reason"]["enum"]) == {reason.name for reason in Reason}
    assert "Idempotency-Key" in {each["name"] for each in described["/api/orders/close"]["parameters"]}
    assert "parameters" not in described["/api/auth/login"]
    told = bodies["Execute"]["properties"]
    assert "kept for the record" in told["order_price"]["description"]
    assert "`order_price`" in told["max_deviation_points"]["description"]
    assert "description" not in bodies["Problem"]["properties"]["reason"]


def _as_described(path: str) -> str:
    return path.partition("#")[0].replace("/live/{live}/", "/{user_type}/{user_id}/")


def test_the_page_of_reasons_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("reasons")

    assert capsys.readouterr().out == (settings.BASE_DIR / "docs" / "reasons.md").read_text()


def test_the_docs_page_has_every_reason() -> None:
    about = SchemaGenerator().get_schema(request=None, public=True)["info"]["description"]

    for reason in Reason:
        assert f"| `{reason.name}` | {reason.http_status} |" in about
