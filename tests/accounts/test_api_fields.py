"""Fields: what each takes exactly, what it refuses, and in which order a body's faults are told."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.api.fields import (
    AccountIdField,
    AccountKindField,
    ChoiceField,
    IdempotencyKeyField,
    OrderIdField,
    PlainDecimalField,
    RoutingField,
    SecretField,
    StrictField,
    StrictSerializer,
    SymbolField,
    TextField,
    TimeField,
)
from accounts.api.parsing import parse_object
from accounts.api.problems import Refused
from copytrading.kernel.rejections import Reason, Rejection


class Ticket(StrictSerializer):
    order_type = ChoiceField(["BUY", "SELL"], reason=Reason.invalid_order_type)
    order_quantity = PlainDecimalField(max_decimals=2, reason=Reason.invalid_order_quantity)
    symbol = SymbolField()
    note = TextField(max_length=5, required=False)
    expires_at = TimeField(required=False, allow_null=True)


GOOD = {"order_type": "BUY", "order_quantity": "0.10", "symbol": "EURUSD"}


def checked(data: dict[str, Any]) -> dict[str, Any]:
    ticket = Ticket(data=data)
    ticket.is_valid()
    values: dict[str, Any] = ticket.validated_data
    return values


def refusal(data: dict[str, Any]) -> Rejection:
    with pytest.raises(Refused) as refused:
        checked(data)
    return refused.value.rejection


def test_a_good_body_gives_typed_values_and_what_is_left_out_stays_out() -> None:
    assert checked(GOOD) == {"order_type": "BUY", "order_quantity": Decimal("0.10"), "symbol": "EURUSD"}
    assert checked(GOOD | {"expires_at": None})["expires_at"] is None


def test_all_missing_fields_are_named_before_anything_else_is_looked_at() -> None:
    assert refusal({"order_type": "HOLD", "balance": "1000000"}) == Rejection(
        Reason.missing_fields,
        "These fields are needed: order_quantity, symbol.",
        {"order_quantity": "missing", "symbol": "missing"},
    )


def test_unknown_fields_are_named_before_wrong_values() -> None:
    assert refusal(GOOD | {"order_type": "HOLD", "balance": "1000000", "leverage": "500"}) == Rejection(
        Reason.unknown_field,
        "These fields are not known here: balance, leverage.",
        {"balance": "unknown", "leverage": "unknown"},
    )


def test_what_is_repeated_of_a_clients_keys_is_short_printable_and_bounded() -> None:
    many = {f"{'x' * 100}\x00{number}": "1" for number in range(1_000)} | {"a\r\nb\u202e": "1"}
    fields = refusal(GOOD | {"a\r\nb\u202e": "1"} | many).fields

    assert next(iter(fields)) == "a??b?"
    assert len(fields) == 2  # the thousand have the same first 64 characters
    assert all(len(name) <= 64 and name.isprintable() for name in fields)


def test_every_wrong_value_is_named_and_the_earliest_reason_given() -> None:
    refused = refusal(GOOD | {"order_type": "HOLD", "order_quantity": "0", "symbol": "eur usd"})
    assert refused.reason is Reason.invalid_fields
    assert list(refused.fields) == ["order_type", "order_quantity", "symbol"]

    assert refusal(GOOD | {"order_type": "HOLD", "order_quantity": "0"}).reason is Reason.invalid_order_type
    assert refusal(GOOD | {"order_quantity": "0"}) == Rejection(
        Reason.invalid_order_quantity,
        "These fields can't be used: order_quantity.",
        {"order_quantity": "must be above zero"},
    )


def test_null_is_no_value_unless_the_field_says_so() -> None:
    assert refusal(GOOD | {"note": None}).fields == {"note": "null is no value; leave the field out instead"}
    assert refusal(GOOD | {"order_quantity": None}).reason is Reason.invalid_order_quantity


def value_of(field: StrictField, raw: str) -> Any:
    """What `field` makes of the JSON text `raw`, the way a request goes."""

    class One(StrictSerializer):
        pass

    One._declared_fields = {"f": field}
    one = One(data=parse_object(f'{{"f": {raw}}}'.encode()))
    one.is_valid()
    return one.validated_data["f"]


ANY = PlainDecimalField(sign="any")
LOTS = PlainDecimalField(max_digits=12, max_decimals=8)
FROM_ZERO = PlainDecimalField(sign="not_negative")

TAKEN: list[tuple[StrictField, str, Any]] = [
    (LOTS, '"0.01"', Decimal("0.01")),
    (LOTS, "0.01", Decimal("0.01")),
    (LOTS, "1", Decimal(1)),
    (LOTS, '"999999999999.99999999"', Decimal("999999999999.99999999")),
    (FROM_ZERO, "0", Decimal(0)),
    (ANY, '"-12.5"', Decimal("-12.5")),
    (ANY, '"0"', Decimal(0)),
    (SymbolField(), '"XAUUSD"', "XAUUSD"),
    (SymbolField(), '"US500.F_1"', "US500.F_1"),
    (AccountKindField(), '"copy_follower"', "copy_follower"),
    (AccountIdField(), "17", 17),
    (AccountIdField(), '"17"', 17),
    (AccountIdField(), "999999999999999999", 10**18 - 1),
    (AccountIdField(), '"999999999999999999"', 10**18 - 1),
    (OrderIdField(), '"ord_l17_0123456789ABC"', "ord_l17_0123456789ABC"),
    (RoutingField(), '"rock"', "rock"),
    (RoutingField(), '" Barclays "', "barclays"),
    (RoutingField(), '""', None),
    (IdempotencyKeyField(), '"9f6c-1:a/b.c_d=+"', "9f6c-1:a/b.c_d=+"),
    (TextField(max_length=10), '"Ärger 中文"', "Ärger 中文"),
    (SecretField(max_length=10), '"a\\tb\\u0000"', "a\tb\x00"),
    (TimeField(), '"2030-01-31T12:00:00Z"', 1_896_091_200_000),
    (TimeField(), '"2030-01-31T13:00:00.5+01:00"', 1_896_091_200_500),
    (TimeField(), '"1970-01-01T00:00:00.001Z"', 1),
    (TimeField(), '"9999-12-31T23:59:59.999999Z"', 253_402_300_799_999),
]


@pytest.mark.parametrize(
    ("field", "raw", "expected"), [pytest.param(*row, id=f"{type(row[0]).__name__}-{row[1]!a}") for row in TAKEN]
)
def test_what_a_field_takes(field: StrictField, raw: str, expected: Any) -> None:
    value = value_of(field, raw)

    assert value == expected
    assert type(value) is type(expected)


NO_NUMBER = [
    '"1_000"',
    '"１２"',
    '"٣"',
    '"1e2"',
    "1e2",
    "1E2",
    "1e400",
    '"1e400"',
    '"NaN"',
    '"Infinity"',
    '"-0"',
    "-0",
    "-0.0",
    '"-0.00"',
    '"+1"',
    '" 1"',
    '"1 "',
    '"1."',
    '".5"',
    '"0x10"',
    '"1,5"',
    '""',
    '"abc"',
    '"1\\n"',
    '"1\\u0000"',
    f'"{"9" * 4000}"',
    "9" * 4000,
    '"0.12345678901"',
    "0.12345678901",
    "true",
    "false",
    "[]",
    '["1"]',
    "{}",
    '{"a": 1}',
    "null",
]

REFUSED: list[tuple[StrictField, list[str]]] = [
    (ANY, NO_NUMBER),
    (LOTS, [*NO_NUMBER, "0", '"0"', '"0.0"', "-1", '"-0.01"', "0.123456789", '"1000000000000"', "1234567890123"]),
    (FROM_ZERO, [*NO_NUMBER, "-1", '"-0.0000000001"']),
    (
        SymbolField(),
        [
            '"eurusd"',
            '"EUR USD"',
            '"E"',
            '"EURUSD:live"',
            '"EUR{USD}"',
            '"ＥＵＲ"',
            '"EURUSD\\n"',
            '"A*"',
            "1",
            "[]",
            "true",
            '""',
            '"' + "A" * 17 + '"',
            '".A"',
        ],
    ),
    (AccountKindField(), ['"LIVE"', '"live "', '"admin"', '""', "1", "true", "[]", '"live\\u0000"']),
    (
        AccountIdField(),
        [
            "0",
            "-1",
            "17.0",
            '"17.0"',
            "17.5",
            '"0017"',
            '"１７"',
            '" 17"',
            '"17 "',
            '"1_7"',
            "1e2",
            "true",
            "[]",
            '"1000000000000000000"',
            "1" * 19,
            "9" * 4000,
            '""',
            '"x"',
            '"17\\n"',
        ],
    ),
    (
        OrderIdField(),
        [
            '"ord_x17_0123456789ABC"',
            '"ord_l017_0123456789ABC"',
            '"ord_l17_short"',
            '"ord_l17_0123456789abc"',
            "17",
            "[]",
            '"ord_l17_0123456789ABC\\n"',
            '"*"',
            '""',
        ],
    ),
    (RoutingField(), ['"metaquotes"', '"rock\\n"', "1", "true", "[]", "{}", '"rock,barclays"', "null"]),
    (
        IdempotencyKeyField(),
        ['""', '"a b"', '"a\\nb"', '"ключ"', '"' + "k" * 129 + '"', "12", "[]", '"{x}"', '"a\\u0000"'],
    ),
    (
        TextField(max_length=10),
        [
            '""',
            '"a\\tb"',
            '"a\\nb"',
            '"a\\u0000"',
            '"\\u202e"',
            '"\\u001b[0m"',
            "1",
            "true",
            "[]",
            '"' + "a" * 11 + '"',
        ],
    ),
    (ChoiceField(["BUY"]), ['"buy"', '"BUY "', '"SELL"', "1", "[]", "true", "{}"]),
    (
        TimeField(),
        [
            '"2030-01-31"',
            '"2030-01-31T12:00:00"',
            '"2030-02-30T12:00:00Z"',
            '"2030-01-31T25:00:00Z"',
            '"2030-01-31T12:00:60Z"',
            '"2030-01-31 12:00:00Z"',
            '"1969-12-31T23:59:59Z"',
            '"1970-01-01T00:00:00Z"',
            '"0001-01-01T00:00:00+23:59"',
            '"9999-12-31T23:59:00-00:01"',
            '"２０３０-01-31T12:00:00Z"',
            "1896091200000",
            '"1896091200"',
            '"now"',
            "true",
            "[]",
            '""',
            '"2030-W05-4T12:00:00Z"',
            '"2030-01-31T12:00:00+99:00"',
        ],
    ),
]


@pytest.mark.parametrize(
    ("field", "raw"),
    [pytest.param(f, raw, id=f"{type(f).__name__}-{raw[:24]!a}") for f, raws in REFUSED for raw in raws],
)
def test_what_a_field_refuses(field: StrictField, raw: str) -> None:
    with pytest.raises(Refused) as refused:
        value_of(field, raw)

    assert refused.value.rejection.reason is Reason.invalid_fields
    assert list(refused.value.rejection.fields) == ["f"]
