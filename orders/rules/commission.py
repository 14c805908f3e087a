"""Commission on the way in and on the way out, by the terms of the opening.

`per_lot` is a rate in account currency for each lot; `percent` a percentage of the notional, which is
lots x contract size x price in profit currency. `both` charges the whole rate on each of the two ways.
"""

from decimal import Decimal

from accounts.terms import Catalogue, Commission
from copytrading.kernel.decimals import ZERO, money
from copytrading.kernel.rejections import Rejection
from orders.rules.conversion import convert, currency_digits
from orders.rules.facts import Market


def entry_commission(
    terms_commission: Commission,
    lots: Decimal,
    price: Decimal,
    contract_size: Decimal,
    profit_currency: str,
    account_currency: str,
    catalogue: Catalogue,
    market: Market,
) -> Decimal | Rejection:
    """What opening `lots` at `price` costs: a positive amount in account currency, rounded."""
    if terms_commission.timing == "exit":
        return ZERO
    notional = lots * contract_size * price
    return _charge(terms_commission, lots, notional, profit_currency, account_currency, catalogue, market)


def exit_commission(
    terms_commission: Commission,
    lots: Decimal,
    price: Decimal,
    contract_size: Decimal,
    profit_currency: str,
    account_currency: str,
    catalogue: Catalogue,
    market: Market,
) -> Decimal | Rejection:
    """What closing `lots` at `price` costs: a positive amount in account currency, rounded."""
    if terms_commission.timing == "entry":
        return ZERO
    notional = lots * contract_size * price
    return _charge(terms_commission, lots, notional, profit_currency, account_currency, catalogue, market)


def _charge(
    commission: Commission,
    lots: Decimal,
    notional: Decimal,
    profit_currency: str,
    account_currency: str,
    catalogue: Catalogue,
    market: Market,
) -> Decimal | Rejection:
    digits = currency_digits(catalogue, account_currency)
    if commission.kind == "per_lot":
        return money(commission.rate * lots, digits)
    # A cost is a loss: the profit currency it is due in is bought.
    cost = convert(-notional * commission.rate / 100, profit_currency, account_currency, catalogue, market)
    return cost if isinstance(cost, Rejection) else money(-cost, digits)
