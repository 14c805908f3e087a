"""Bodies: what is read exactly, and what is refused with which reason."""

import time
from decimal import Decimal
from io import BytesIO

import pytest

from accounts.api.parsing import MAX_DEPTH, NOT_PLAIN, StrictJSONParser, parse_object
from accounts.api.problems import Refused
from copytrading.kernel.rejections import Reason


def repr_start(body: bytes) -> str:
    return repr(body[:16])


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    """An object whose one value is nested so that the whole has `levels` levels."""
    return f'{{"a":{opening * (levels - 1)}{closing * (levels - 1)}}}'.encode()


def test_numbers_keep_the_digits_that_were_typed() -> None:
    parsed = parse_object(b'{"a": 0.10, "b": 100000, "c": "0.10", "d": -2.5, "e": {"f": [1.0]}}')

    assert parsed == {"a": Decimal("0.10"), "b": Decimal(100000), "c": "0.10", "d": Decimal("-2.5"), "e": {"f": [1]}}
    assert str(parsed["a"]) == "0.10"
    assert isinstance(parsed["c"], str)
    assert parse_object(b'{"a": 999999999999999999}') == {"a": Decimal(10**18 - 1)}


@pytest.mark.parametrize(
    "number",
    [
        "1e2",
        "1E2",
        "1.5e-3",
        "1e400",
        "-0",
        "-0.0",
        "9" * 4000,
        "0." + "1" * 11,
        "9" * 19,
        "-" + "9" * 16,
        "9" * 16 + ".5",
        "1e999999999",
    ],
    ids=lambda number: number[:16],
)
def test_a_number_that_is_not_plain_digits_is_kept_apart_for_its_field_to_refuse(number: str) -> None:
    assert parse_object(f'{{"a": {number}}}'.encode()) == {"a": NOT_PLAIN}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"a": NaN}', "NaN is not JSON."),
        (b'{"a": Infinity}', "Infinity is not JSON."),
        (b'{"a": -Infinity}', "-Infinity is not JSON."),
        (b'{"a": 1_000}', "Not JSON at line 1, column 8."),
        ('{"a": １２}'.encode(), "Not JSON at line 1, column 7."),
        (b'{"a": 007}', "Not JSON at line 1, column 8."),
        (b'{"a": +1}', "Not JSON at line 1, column 7."),
        (b'{"a": 1} x', "Not JSON at line 1, column 10."),
        (b'{"a": "\x01"}', "Not JSON at line 1, column 8."),
        (b"", "Not JSON at line 1, column 1."),
        (b"\xef\xbb\xbf{}", "Not JSON at line 1, column 1."),
        (b"[]", "The body is not one JSON object."),
        (b'"text"', "The body is not one JSON object."),
        (b"12", "The body is not one JSON object."),
        (b"null", "The body is not one JSON object."),
        (b'{"a": "\xff"}', "The body is not UTF-8."),
        ('{"a": 1}'.encode("utf-16"), "The body is not UTF-8."),
        (b'{"a": "\\ud800"}', "A text holds half of a surrogate pair."),
        (b'{"\\udfff": 1}', "A text holds half of a surrogate pair."),
        (b'{"a": [{"b": "\\uDC00"}]}', "A text holds half of a surrogate pair."),
    ],
)
def test_what_is_not_one_json_object_is_refused(body: bytes, detail: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_object(body)

    assert refused.value.rejection.reason is Reason.invalid_json
    assert refused.value.rejection.detail == detail


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"a": 1, "a": 1}', "a"),
        (b'{"a": {"b": [{"c": 1, "c": 2}]}}', "c"),
        (b'{"a": 1, "\\u0061": 2}', "a"),
        (b'{"x": 1, "\\u0000": 1, "\\u0000": 1}', "?"),
        (b'{"' + b"k" * 100 + b'": 1, "' + b"k" * 100 + b'": 1}', "k" * 64),
    ],
)
def test_a_key_that_stands_twice_is_named(body: bytes, key: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_object(body)

    assert refused.value.rejection.reason is Reason.invalid_json
    assert refused.value.rejection.fields == {key: "twice"}


def test_a_surrogate_pair_is_one_character_and_an_escaped_backslash_starts_none() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00", "b": "\\\\ud800"}') == {"a": "\U0001f600", "b": "\\ud800"}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":[', "]}")])
def test_nesting_is_read_up_to_the_limit_and_refused_beyond_it(opening: str, closing: str) -> None:
    levels_a_turn = 2 if "{" in opening else 1
    within = b'{"a":' + (opening * ((MAX_DEPTH - 1) // levels_a_turn)).encode()
    within += (closing * ((MAX_DEPTH - 1) // levels_a_turn)).encode() + b"}"
    assert "a" in parse_object(within)

    for levels in (MAX_DEPTH + 1, 1_000, 30_000):
        with pytest.raises(Refused) as refused:
            parse_object(nested(levels))
        assert refused.value.rejection.detail == "The body is nested more than 16 levels deep."


@pytest.mark.parametrize("piece", [1, 1_000, 100_000])
def test_what_is_read_is_bounded_whatever_the_server_hands_over_at_a_time(piece: int) -> None:
    class Pieces(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, piece))

    fits, too_long = (b'{"a": "' + b"x" * (64 * 1024 - spare) + b'"}' for spare in (9, 8))
    assert StrictJSONParser().parse(Pieces(fits), "application/json") == {"a": "x" * (64 * 1024 - 9)}
    for body in (too_long, b"x" * 1_000_000):
        stream = Pieces(body)
        with pytest.raises(Refused) as refused:
            StrictJSONParser().parse(stream, "application/json")
        assert refused.value.rejection.reason is Reason.body_too_large
        assert stream.tell() == 64 * 1024 + 1


def test_a_hundred_thousand_open_brackets_do_not_reach_the_parser() -> None:
    with pytest.raises(Refused) as refused:
        parse_object(b"[" * 100_000)

    assert refused.value.rejection.detail == "The body is nested more than 16 levels deep."


def test_brackets_in_texts_are_no_nesting() -> None:
    assert parse_object(b'{"a": "[[[[[[[[[[[[[[[[[[[[{{{{{{{{{{{{{{{", "b": "\\"[[[[[[[[[[[[[[[["}') == {
        "a": "[[[[[[[[[[[[[[[[[[[[{{{{{{{{{{{{{{{",
        "b": '"[[[[[[[[[[[[[[[[',
    }


def test_brackets_side_by_side_are_no_nesting() -> None:
    assert parse_object(b'{"a": [' + b"[]," * 1_000 + b"[]]}") == {"a": [[] for _ in range(1_001)]}


@pytest.mark.parametrize(
    "body", [b'{"a":"' + b'\\"' * 30_000, b"[" * 17 + b'"' * 60_000, b'{"' + b"\\" * 60_000], ids=repr_start
)
def test_the_scan_for_nesting_is_linear_in_the_body(body: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(Refused):
        parse_object(b"[" * 16 + body)

    # A quadratic scan of 60,000 characters takes far more than a minute.
    assert time.process_time() - begun < 1
