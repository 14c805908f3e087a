"""What a position has made: (close - open) x lots x contract size for a BUY, mirrored for a SELL."""

from decimal import Decimal

from accounts.terms import Catalogue, Terms
from copytrading.kernel.decimals import ZERO, money
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.conversion import convert, currency_digits
from orders.rules.facts import Exposure, Market, Side
from orders.rules.pricing import client_ask, client_bid, is_sound


def profit(side: Side, lots: Decimal, contract_size: Decimal, open_price: Decimal, close_price: Decimal) -> Decimal:
    """In profit currency, not rounded; negative is a loss."""
    gained = close_price - open_price if side == "BUY" else open_price - close_price
    return gained * lots * contract_size


def realised(
    side: Side,
    lots: Decimal,
    contract_size: Decimal,
    open_price: Decimal,
    close_price: Decimal,
    profit_currency: str,
    account_currency: str,
    catalogue: Catalogue,
    market: Market,
) -> Decimal | Rejection:
    """What closing `lots` posts to the balance: in account currency, rounded."""
    made = profit(side, lots, contract_size, open_price, close_price)
    return _posted(made, profit_currency, account_currency, catalogue, market)


def floating(
    exposure: Exposure, terms: Terms, account_currency: str, catalogue: Catalogue, market: Market
) -> Decimal | Rejection:
    """What closing all lots of a symbol now would post, in account currency.

    Each leg is valued at the client's closing price, converted by its own sign and rounded. The last
    quote is good however old it is: whether it may still be traded on is another question.
    """
    quote = market.quotes.get(terms.symbol)
    if quote is None or not is_sound(quote):
        return Rejection(Reason.no_price, f"{terms.symbol}, which this account holds, has no valid quote.")
    long = (exposure.long_lots * client_bid(terms, quote) - exposure.long_cost) * terms.contract_size
    short = (exposure.short_cost - exposure.short_lots * client_ask(terms, quote)) * terms.contract_size
    total = ZERO
    for lots, made in ((exposure.long_lots, long), (exposure.short_lots, short)):
        if lots.is_zero():
            continue
        posted = _posted(made, terms.profit_currency, account_currency, catalogue, market)
        if isinstance(posted, Rejection):
            return posted
        total += posted
    return total


def _posted(
    amount: Decimal, profit_currency: str, account_currency: str, catalogue: Catalogue, market: Market
) -> Decimal | Rejection:
    converted = convert(amount, profit_currency, account_currency, catalogue, market)
    if isinstance(converted, Rejection):
        return converted
    return money(converted, currency_digits(catalogue, account_currency))
