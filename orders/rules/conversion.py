"""Money from one currency into another, at raw prices and never rounded here.

A gain is sold for the other currency and a loss bought with it, so each pays its own side of the
quote. The way is the direct pair, its inverse, or the two legs through USD; there is no rate by default.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from accounts.terms import Catalogue
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import Market, Quote
from orders.rules.hours import is_open
from orders.rules.pricing import is_sound, is_stale

_BRIDGE: Final = "USD"

Pairs = Mapping[tuple[str, str], str]


def currency_digits(catalogue: Catalogue, currency: str) -> int:
    """The digits that money in `currency` is rounded to."""
    try:
        return catalogue.currency_digits[currency]
    except KeyError:
        raise InvariantBroken(f"currency {currency!r} has no number of digits; add it to the currencies") from None


def symbols_between(source: str, target: str, pairs: Pairs) -> frozenset[str] | None:
    """The symbols whose quotes the way from `source` to `target` needs; None if there is no way."""
    legs = _legs(source, target, pairs)
    return None if legs is None else frozenset(_pair(*leg, pairs)[0] for leg in legs)


def convert(amount: Decimal, source: str, target: str, catalogue: Catalogue, market: Market) -> Decimal | Rejection:
    """`amount` of `source` in `target`: a gain is sold (x bid, or / ask of the inverse), a loss bought."""
    # Even zero asks for the rate: an account must not come to hold what it could never convert.
    return _along(amount, source, target, catalogue, market, at_mid=False)


def convert_at_mid(
    amount: Decimal, source: str, target: str, catalogue: Catalogue, market: Market
) -> Decimal | Rejection:
    """`amount` of `source` in `target`, at the middle of bid and ask."""
    return _along(amount, source, target, catalogue, market, at_mid=True)


def valid_until(symbols: Iterable[str], catalogue: Catalogue, market: Market) -> int:
    """The moment from which the first of these quotes is too old to convert with; 0 if none ever is (ms)."""
    return min(
        (
            market.quotes[symbol].stamp_ms + catalogue.price_age_ms[symbol]
            for symbol in symbols
            if symbol in market.quotes and is_open(catalogue.hours[symbol], market.now_ms)
        ),
        default=0,
    )


def _along(
    amount: Decimal, source: str, target: str, catalogue: Catalogue, market: Market, *, at_mid: bool
) -> Decimal | Rejection:
    legs = _legs(source, target, catalogue.pairs)
    if legs is None:
        detail = f"No pair leads from {source} to {target}, directly or through {_BRIDGE}."
        return Rejection(Reason.conversion_rate_unavailable, detail)
    for leg in legs:
        symbol, inverse = _pair(*leg, catalogue.pairs)
        quote = _rate(symbol, catalogue, market)
        if isinstance(quote, Rejection):
            return quote
        # A gain sells the base of a direct pair (at the bid) and buys that of an inverse one (at the ask).
        side = quote.bid if (amount >= ZERO) is not inverse else quote.ask
        rate = (quote.bid + quote.ask) / 2 if at_mid else side
        amount = amount / rate if inverse else amount * rate
    return amount


def _legs(source: str, target: str, pairs: Pairs) -> tuple[tuple[str, str], ...] | None:
    if source == target:
        return ()
    ways: tuple[tuple[tuple[str, str], ...], ...] = (((source, target),), ((source, _BRIDGE), (_BRIDGE, target)))
    for legs in ways:
        if all((a, b) in pairs or (b, a) in pairs for a, b in legs):
            return legs
    return None


def _pair(source: str, target: str, pairs: Pairs) -> tuple[str, bool]:
    """The symbol of one leg, and whether it is quoted the other way round."""
    direct = pairs.get((source, target))
    return (direct, False) if direct is not None else (pairs[target, source], True)


def _rate(symbol: str, catalogue: Catalogue, market: Market) -> Quote | Rejection:
    """The quote to convert with. The last one of a closed session is good; in an open one its age counts."""
    quote = market.quotes.get(symbol)
    if quote is None or not is_sound(quote):
        return Rejection(Reason.conversion_rate_unavailable, f"{symbol} has no valid quote to convert with.")
    if symbol not in catalogue.hours or symbol not in catalogue.price_age_ms:
        raise InvariantBroken(f"conversion pair {symbol} has no hours or age limit; load the catalogue again")
    stale = is_stale(quote, catalogue.price_age_ms[symbol], market.now_ms)
    if stale and is_open(catalogue.hours[symbol], market.now_ms):
        return Rejection(Reason.conversion_rate_unavailable, f"The last quote of {symbol} is too old to convert with.")
    return quote
