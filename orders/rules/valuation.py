"""What an account is worth now, which quotes that takes, and how much of it may be taken out."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from accounts.terms import Catalogue, GroupTerms, Terms
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.conversion import symbols_between
from orders.rules.facts import Market, Portfolio, Valuation
from orders.rules.hours import market_open
from orders.rules.margin import level
from orders.rules.pricing import is_sound, is_stale
from orders.rules.profit import floating


def value(
    portfolio: Portfolio,
    group: GroupTerms,
    account_currency: str,
    terms_by_symbol: Mapping[str, Terms],
    catalogue: Catalogue,
    market: Market,
) -> Valuation | Rejection:
    """The account at closing prices, markup included. Its margins are taken as the portfolio has them."""
    total = ZERO
    for symbol, exposure in portfolio.exposures.items():
        if exposure.flat:
            continue
        made = floating(exposure, terms_by_symbol[symbol], account_currency, catalogue, market)
        if isinstance(made, Rejection):
            return made
        total += made
    equity = portfolio.balance + portfolio.credit + total
    used, reserved = portfolio.used_margin, portfolio.reserved_margin
    return Valuation(
        equity=equity,
        floating=total,
        used_margin=used,
        reserved_margin=reserved,
        free_margin=equity - used - reserved,
        level=level(equity, used),
    )


def quotes_needed(
    symbols: Iterable[str], account_currency: str, terms_by_symbol: Mapping[str, Terms], catalogue: Catalogue
) -> frozenset[str]:
    """The symbols themselves, and every pair that turns their profit and their margin into account currency.

    A currency without a way adds nothing: the conversion itself refuses.
    """
    needed = set(symbols)
    currencies = set()
    for symbol in needed:
        terms = terms_by_symbol[symbol]
        currencies |= {terms.profit_currency, terms.margin_currency}
    for currency in currencies:
        needed |= symbols_between(currency, account_currency, catalogue.pairs) or frozenset()
    return frozenset(needed)


def check_held_quotes(terms_by_symbol: Mapping[str, Terms], market: Market) -> Rejection | None:
    """While the market of a held symbol is open and its quote is no good, the account may only reduce."""
    for symbol, terms in sorted(terms_by_symbol.items()):
        if not market_open(terms, market.now_ms):
            continue
        quote = market.quotes.get(symbol)
        if quote is None or not is_sound(quote) or is_stale(quote, terms.price_age_ms, market.now_ms):
            detail = f"{symbol}, which this account holds, has no current quote; until then it may only close."
            return Rejection(Reason.stale_price, detail, facts={"symbol": symbol})
    return None


def withdrawable(valuation: Valuation, balance: Decimal, credit: Decimal) -> Decimal:
    """What may be taken out. Credit carries positions and is never paid out."""
    return max(ZERO, min(balance, valuation.free_margin - credit))
