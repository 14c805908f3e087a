"""Prices as an account sees them: its group's markup on them, and whether it could trade on them now."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from accounts import catalogue as catalogues
from accounts.terms import Catalogue, Terms
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Rejection
from orders.book import quotes, terms
from orders.book.connection import ReplyLost, ledger, market
from orders.looking.account import without_prices
from orders.rules import pricing, profit
from orders.rules.facts import Desk, Market, Order, Quote
from orders.rules.halts import Halt
from orders.verbs.halt import standing


@dataclass(frozen=True, slots=True)
class Seen:
    """One instrument's last quote. `refused` is why nobody trades on it now, None if it is good."""

    terms: Terms
    quote: Quote
    refused: Rejection | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What an account's group trades, and the halts that may stand against it."""

    group: str
    terms: dict[str, Terms]
    halts: tuple[Halt, ...]


def offered(account: AccountRef) -> Offer | Rejection:
    """Raises LedgerUnavailable."""
    gathered = without_prices(account)
    if isinstance(gathered, Rejection):
        return gathered
    group, offers = gathered.desk.group.name, gathered.desk.catalogue.terms
    terms = {symbol: found for (named, symbol), found in offers.items() if named == group}
    return Offer(group, terms, gathered.state.halts)


def halts() -> list[Halt]:
    """All that stand now. Raises LedgerUnavailable."""
    try:
        return standing(ledger())
    except ReplyLost as error:
        raise LedgerUnavailable(f"the ledger broke off while it was read ({error}); nothing was done") from error


def known() -> Catalogue:
    """All terms of now. Raises LedgerUnavailable."""
    try:
        return catalogues.current(terms.epoch())
    except ReplyLost as error:
        raise LedgerUnavailable(f"the ledger broke off while it was read ({error}); nothing was done") from error


def seen(terms_by_symbol: dict[str, Terms]) -> tuple[list[Seen], int]:
    """What was ever quoted of these, and the market's time. Raises redis.RedisError without the market instance."""
    read = quotes.read(market(), terms_by_symbol)
    return [_seen(terms_by_symbol[symbol], quote, read) for symbol, quote in sorted(read.quotes.items())], read.now_ms


def raw(symbols: Iterable[str]) -> Market:
    """Raises redis.RedisError without the market instance."""
    return quotes.read(market(), symbols)


def price_now(order: Order, desk: Desk) -> Decimal | None:
    """The client's price at which an open order would close, or a resting one be compared; None without a quote."""
    quote, terms = desk.market.quotes.get(order.symbol), desk.terms.get(order.symbol)
    if quote is None or terms is None or not pricing.is_sound(quote):
        return None
    priced = pricing.closing_price if order.status == "OPEN" else pricing.opening_price
    return priced(terms, quote, order.side)


def profit_now(order: Order, desk: Desk) -> Decimal | None:
    """What closing all of an open order would post, before commission; None when it can't be told."""
    price = price_now(order, desk)
    if order.status != "OPEN" or price is None or order.open_price is None:
        return None
    made = profit.realised(
        order.side, order.open_lots, order.contract_size, order.open_price, price,
        desk.terms[order.symbol].profit_currency, desk.config.currency, desk.catalogue, desk.market,
    )  # fmt: skip
    return None if isinstance(made, Rejection) else made


def _seen(terms: Terms, quote: Quote, read: Market) -> Seen:
    usable = pricing.usable_quote(terms, read)
    return Seen(terms, quote, usable if isinstance(usable, Rejection) else None)
