"""What a field of a request may be. Every field refuses rather than guesses: no blanks trimmed, no case changed,
nothing converted from another JSON type.

Fields keep no state, so that one declared instance serves all requests.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from rest_framework import serializers

from accounts.api.parsing import NotPlain, shown
from accounts.api.problems import Refused
from copytrading.kernel import clock, ids
from copytrading.kernel.decimals import parse_plain
from copytrading.kernel.rejections import Reason, Rejection

IDEMPOTENCY_KEY = "^[A-Za-z0-9._:/+=-]{1,128}$"

_WHOLE = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(IDEMPOTENCY_KEY, re.ASCII)
_STAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_MAX_KEYS_SHOWN = 20

_REASON_ORDER = {reason: place for place, reason in enumerate(Reason)}


class StrictField(serializers.Field):
    """A field that says with which reason it is refused. `to_internal_value` gets what the JSON held, never None."""

    def __init__(self, *, reason: Reason = Reason.invalid_fields, **options: Any) -> None:
        self.reason = reason
        super().__init__(**options)

    def described(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "string"}

    def wrong(self, what: str) -> serializers.ValidationError:
        return serializers.ValidationError(what)

    def to_representation(self, value: Any) -> Any:
        return value


class StrictSerializer(serializers.Serializer[Any]):
    """The body of one request: what is missing, unknown or wrong is refused in that order, each with all names at once.

    A subclass declares fields and ends in `to_command`. Declared fields are used as they are, not
    copied for each request as DRF does: they keep no state, and the copies cost more than the check.
    """

    def run_validation(self, data: Any = None) -> dict[str, Any]:
        return self.to_internal_value(data)

    def to_internal_value(self, data: Mapping[str, Any]) -> dict[str, Any]:
        declared = self.declared()
        missing = [name for name, field in declared.items() if field.required and name not in data]
        if missing:
            raise _refused(Reason.missing_fields, "These fields are needed", dict.fromkeys(missing, "missing"))
        unknown = [name for name in data if name not in declared]
        if unknown:
            raise _refused(Reason.unknown_field, "These fields are not known here", _names(unknown))
        return self._checked(data)

    @classmethod
    def declared(cls) -> dict[str, StrictField]:
        return cast(dict[str, StrictField], cls._declared_fields)

    def _checked(self, data: Mapping[str, Any]) -> dict[str, Any]:
        declared = self.declared()
        values: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for name, value in data.items():
            try:
                values[name] = _value(declared[name], value)
            except serializers.ValidationError as error:
                wrong[name] = _sentence(error)
        if wrong:
            reasons = (declared[name].reason for name in wrong)
            raise _refused(min(reasons, key=_REASON_ORDER.__getitem__), "These fields can't be used", wrong)
        return values


class PlainDecimalField(StrictField):
    """A number, as JSON string or JSON number, in plain digits: no exponent, sign or blank that is not needed.

    `sign` is what is allowed: "positive", "not_negative", or "any" (but never zero written as -0).
    """

    def __init__(self, *, max_digits: int = 15, max_decimals: int = 10, sign: str = "positive", **options: Any) -> None:
        self.max_digits = max_digits
        self.max_decimals = max_decimals
        self.sign = sign
        super().__init__(**options)

    def described(self) -> dict[str, Any]:
        sign = "-?" if self.sign == "any" else ""
        pattern = f"^{sign}[0-9]{{1,{self.max_digits}}}(\\.[0-9]{{1,{self.max_decimals}}})?$"
        return {"oneOf": [{"type": "string", "pattern": pattern}, {"type": "number"}], "example": "1.25"}

    def to_internal_value(self, data: Any) -> Decimal:
        number = parse_plain(data) if isinstance(data, str) else data
        if not isinstance(number, Decimal):
            raise self.wrong("not a number in plain digits")
        _, digits, exponent = number.as_tuple()
        decimals = -int(exponent)
        if decimals > self.max_decimals:
            raise self.wrong(f"more than {self.max_decimals} decimals")
        if len(digits) - decimals > self.max_digits:
            raise self.wrong(f"more than {self.max_digits} digits before the point")
        if (self.sign == "positive" and number <= 0) or (self.sign == "not_negative" and number < 0):
            raise self.wrong("must be above zero" if self.sign == "positive" else "must not be negative")
        return number


class TextField(StrictField):
    """A text of 1 to `max_length` printable characters, not all blank: no line breaks, no control characters."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        self.max_length = max_length
        super().__init__(**options)

    def described(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.max_length, "pattern": r"\S"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise self.wrong("not a text")
        if not 0 < len(data) <= self.max_length:
            raise self.wrong(f"must have 1 to {self.max_length} characters")
        self.require_characters(data)
        return data

    def require_characters(self, text: str) -> None:
        if not text.isprintable():
            raise self.wrong("holds a control character or line break")
        if not text.strip():
            raise self.wrong("holds nothing but blanks")


class SecretField(TextField):
    """A password: any characters, since it is hashed and never shown, logged or stored."""

    def described(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}

    def require_characters(self, text: str) -> None:
        return


class ChoiceField(StrictField):
    """Exactly one of a list."""

    def __init__(self, choices: Iterable[str], **options: Any) -> None:
        self.choices = tuple(choices)
        super().__init__(**options)

    def described(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            raise self.wrong(f"must be one of {', '.join(self.choices)}")
        return data


class AccountKindField(ChoiceField):
    """`user_type`: which of the four kinds of account."""

    def __init__(self, **options: Any) -> None:
        super().__init__(ids.KINDS, **options)


class AccountIdField(StrictField):
    """`user_id`: the account's id, as string or number."""

    def described(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
        return {"oneOf": [number, {"type": "string", "pattern": f"^{_WHOLE.pattern}$"}], "example": 1}

    def to_internal_value(self, data: Any) -> int:
        # str() of a Decimal keeps its point, so that 17.0 is no id.
        typed = str(data) if isinstance(data, str | Decimal) else ""
        if not _WHOLE.fullmatch(typed):
            raise self.wrong("not a whole number from 1 to 999999999999999999")
        return int(typed)


class SymbolField(StrictField):
    """An instrument's name, by the allow-list of what may become part of a key or a FIX tag."""

    def described(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[A-Z0-9][A-Z0-9._]{1,15}$", "example": "EURUSD"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not ids.is_symbol(data):
            raise self.wrong("not a symbol: 2 to 16 of A-Z, 0-9, dot and underscore")
        return data


class OrderIdField(StrictField):
    """An order id as an answer gave it."""

    def described(self) -> dict[str, Any]:
        pattern = "^ord_[ldsc][1-9][0-9]{0,17}_[0-9A-Z]{13}$"
        return {"type": "string", "pattern": pattern, "example": "ord_l1_7K2M0A9QXW4TZ"}

    def to_internal_value(self, data: Any) -> ids.OrderId:
        if not isinstance(data, str) or ids.account_of(data) is None:
            raise self.wrong("not an order id")
        return ids.OrderId(data)


class RoutingField(StrictField):
    """`sending_orders`: rock, barclays or nothing; case and surrounding blanks do not matter. None is nothing."""

    def described(self) -> dict[str, Any]:
        return {"type": "string", "enum": ["rock", "barclays", ""]}

    def to_internal_value(self, data: Any) -> str | None:
        routing = data.strip(" ").lower() if isinstance(data, str) else data
        if routing not in ("rock", "barclays", ""):
            raise self.wrong("must be rock or barclays, or left out")
        return routing or None


class IdempotencyKeyField(StrictField):
    """What makes repeating a request harmless."""

    def described(self) -> dict[str, Any]:
        return {"type": "string", "pattern": IDEMPOTENCY_KEY}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not is_idempotency_key(data):
            raise self.wrong("must have 1 to 128 letters, digits or ._:/+=-")
        return data


class TimeField(StrictField):
    """A moment as ISO 8601 with date, time and zone (2030-01-31T12:00:00Z); read as milliseconds since 1970."""

    def described(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "example": "2030-01-31T12:00:00Z"}

    def to_internal_value(self, data: Any) -> int:
        stamp_ms = _stamp_ms(data) if isinstance(data, str) and _STAMP.fullmatch(data) else 0
        if stamp_ms <= 0:
            raise self.wrong("not a time such as 2030-01-31T12:00:00Z")
        return stamp_ms


def _stamp_ms(written: str) -> int:
    """0 for a day or an hour that no calendar has; in UTC the last year may be over."""
    try:
        return clock.to_ms(datetime.fromisoformat(written.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        return 0


def is_idempotency_key(text: str) -> bool:
    return _IDEMPOTENCY_KEY.fullmatch(text) is not None


def _value(field: StrictField, value: Any) -> Any:
    if value is None:
        if field.allow_null:
            return None
        raise field.wrong("null is no value; leave the field out instead")
    if isinstance(value, NotPlain):
        raise field.wrong("not a number in plain digits")
    return field.to_internal_value(value)


def _sentence(error: serializers.ValidationError) -> str:
    detail = error.detail
    return str(detail[0]) if isinstance(detail, list) else str(detail)


def _names(unknown: list[str]) -> dict[str, str]:
    return {shown(name): "unknown" for name in unknown[:_MAX_KEYS_SHOWN]}


def _refused(reason: Reason, what: str, fields: dict[str, str]) -> Refused:
    return Refused(Rejection(reason, f"{what}: {', '.join(fields)}.", fields))
