"""Numbers and times as staff read them."""

from decimal import Decimal

from copytrading.kernel import clock, decimals
from orders.admin.digits import CURRENCIES, INSTRUMENTS

NONE = "–"


def amount(number: Decimal | None, digits: int) -> str:
    """10,000.00"""
    return NONE if number is None else f"{decimals.money(number, digits):,.{digits}f}"


def plain(number: Decimal) -> str:
    """10,000.5: as many decimals as it has."""
    return f"{Decimal(decimals.text(number)):,}"


def price(number: Decimal | None, digits: int) -> str:
    """1.10000, with all decimals of a price that has more than its instrument quotes."""
    if number is None:
        return NONE
    written = f"{number:.{digits}f}"
    return written if Decimal(written) == number else decimals.text(number)


def figure(number: Decimal | None, currency: str) -> str:
    """10,000.00, with the digits of the currency; what the record does not know is written as it is."""
    digits = CURRENCIES.of(currency)
    return NONE if number is None else plain(number) if digits is None else amount(number, digits)


def money(number: Decimal | None, currency: str, *, signed: bool = False) -> str:
    """10,000.00 USD; `signed` writes +10,000.00 USD."""
    plus = "+" if signed and number is not None and number > 0 else ""
    return f"{plus}{figure(number, currency)} {currency}".rstrip()


def quoted(number: Decimal | None, symbol: str) -> str:
    """A price with the digits of its instrument."""
    return price(number, INSTRUMENTS.of(symbol) or 0)


def percent(number: Decimal | None) -> str:
    return "none" if number is None else f"{decimals.money(number, 2):,.2f} %"


def time(stamp_ms: int) -> str:
    """UTC, to the second."""
    return f"{clock.from_ms(stamp_ms):%Y-%m-%d %H:%M:%S}" if stamp_ms else NONE
