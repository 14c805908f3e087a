"""The one place where numbers are parsed, written and rounded.

Money, prices and lots are `Decimal`. Rounding is half up (away from zero on a tie) unless a
caller names another mode. Text written here is plain digits, never an exponent.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
ONE = Decimal(1)

# At most 15 digits before the point and 10 after it: wider than any price, lot or balance.
_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?", re.ASCII)


def parse_plain(text: str) -> Decimal | None:
    """The number a person typed, or None unless it is plain ASCII digits; "-0" is None as well."""
    if not _PLAIN.fullmatch(text):
        return None
    number = Decimal(text)
    return None if number.is_zero() and text.startswith("-") else number


def text(number: Decimal) -> str:
    """The canonical decimal string: no exponent, no trailing zeros, zero is "0"."""
    if number.is_zero():
        return "0"
    written = f"{number:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def money(amount: Decimal, digits: int) -> Decimal:
    """`amount` rounded half up to the currency's digits (2 for USD, 0 for JPY)."""
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def is_multiple(number: Decimal, step: Decimal) -> bool:
    return (number % step).is_zero()


def floor_to(number: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `number`."""
    return (number / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(number: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` not below `number`."""
    return (number / step).to_integral_value(ROUND_CEILING) * step
