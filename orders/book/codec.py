"""How the book's values are written as Redis hashes and journal bodies, and read back exactly.

Every field is text: decimals in plain digits, "" for None. What `decode` gives equals what `encode` took.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, get_type_hints

import msgspec

from copytrading.kernel.decimals import text
from copytrading.kernel.errors import InvariantBroken
from orders.rules.facts import Exposure, Portfolio
from orders.rules.halts import Halt

T = TypeVar("T")
EXPOSURE_PREFIX = "x:"
_EXPOSURE = [field.name for field in fields(Exposure)]
_json_encoder = msgspec.json.Encoder()
_json_decoder = msgspec.json.Decoder()


def to_json(value: Any) -> str:
    return _json_encoder.encode(value).decode()


def from_json(written: str) -> Any:
    return _json_decoder.decode(written)


def _write(value: Any) -> str:
    """By exact type, the most frequent first: a commit writes some two hundred values."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is Decimal:
        return text(value)
    if value is None:
        return ""
    if kind is bool:
        return "1" if value else "0"
    return str(value)


def _optional_decimal(written: str) -> Decimal | None:
    return Decimal(written) if written else None


def _bool(written: str) -> bool:
    return written == "1"


_READERS: dict[Any, Callable[[str], Any]] = {
    Decimal: Decimal,
    Decimal | None: _optional_decimal,
    int: int,
    bool: _bool,
}


@cache
def _readers(cls: Any) -> tuple[tuple[str, Callable[[str], Any]], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, _READERS.get(hints[field.name], str)) for field in fields(cls))


def encode(value: Any) -> dict[str, str]:
    """A flat dataclass (Order, Config, Deal, Transfer) as text fields."""
    return {name: _write(getattr(value, name)) for name, _ in _readers(value.__class__)}


def decode(cls: type[T], written: Mapping[str, str]) -> T:
    """The dataclass that `encode` wrote. Raises InvariantBroken naming a field that is not there or not readable."""
    kind: Any = cls
    try:
        return kind(**{name: read(written[name]) for name, read in _readers(kind)})
    except (KeyError, ValueError, ArithmeticError) as error:
        raise InvariantBroken(f"{cls.__name__} in the book is unreadable at {error!r}: run audit") from error


def encode_exposure(exposure: Exposure) -> str:
    return "|".join(encode(exposure).values())


def decode_exposure(written: str) -> Exposure:
    return Exposure(**dict(zip(_EXPOSURE, map(Decimal, written.split("|")), strict=True)))


def encode_portfolio(portfolio: Portfolio) -> dict[str, str]:
    written = {
        "version": str(portfolio.version),
        "ledger_id": portfolio.ledger_id,
        "balance": text(portfolio.balance),
        "credit": text(portfolio.credit),
        "used_margin": text(portfolio.used_margin),
        "reserved_margin": text(portfolio.reserved_margin),
        "margin_called": _write(portfolio.margin_called),
    }
    for symbol, exposure in portfolio.exposures.items():
        written[EXPOSURE_PREFIX + symbol] = encode_exposure(exposure)
    return written


def decode_portfolio(written: Mapping[str, str]) -> Portfolio:
    try:
        return Portfolio(
            version=int(written["version"]),
            ledger_id=written["ledger_id"],
            balance=Decimal(written["balance"]),
            credit=Decimal(written["credit"]),
            used_margin=Decimal(written["used_margin"]),
            reserved_margin=Decimal(written["reserved_margin"]),
            margin_called=_bool(written["margin_called"]),
            exposures={
                name[len(EXPOSURE_PREFIX) :]: decode_exposure(value)
                for name, value in written.items()
                if name.startswith(EXPOSURE_PREFIX)
            },
        )
    except (KeyError, ValueError, ArithmeticError, TypeError) as error:
        raise InvariantBroken(f"a portfolio in the book is unreadable at {error!r}: run audit") from error


def decode_halt(scope: str, written: str) -> Halt:
    values = from_json(written)
    return Halt(scope=scope, opens_only=values["opens_only"], reason=values["reason"], until_ms=values["until_ms"])


def encode_halt(halt: Halt) -> str:
    return to_json({"opens_only": halt.opens_only, "reason": halt.reason, "until_ms": halt.until_ms})
