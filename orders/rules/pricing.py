"""The client's price: the raw quote with the group's markup, and which quotes may be used at all.

Markup is `spread_points` x `spread_point`, half of it on each side. Where the half is no whole
tick the ask takes it rounded up and the bid rounded down, so that both prices stay on the tick
and the sum stays the markup.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from accounts.terms import Terms
from copytrading.kernel.decimals import ZERO, ceil_to, floor_to
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import Market, Quote, Side, opposite
from orders.rules.hours import market_open, next_open_ms, seconds_until, utc_text


def half_spreads(terms: Terms) -> tuple[Decimal, Decimal]:
    """What is taken off the raw bid, and what is added to the raw ask, in price units."""
    return _halves(terms.spread_points, terms.spread_point, terms.tick)


@lru_cache(maxsize=10_000)  # asked for each price of each order that is valued
def _halves(points: Decimal, point: Decimal, tick: Decimal) -> tuple[Decimal, Decimal]:
    half = points * point / 2
    return floor_to(half, tick), ceil_to(half, tick)


def client_bid(terms: Terms, quote: Quote) -> Decimal:
    """What a client sells at."""
    return quote.bid - half_spreads(terms)[0]


def client_ask(terms: Terms, quote: Quote) -> Decimal:
    """What a client buys at."""
    return quote.ask + half_spreads(terms)[1]


def opening_price(terms: Terms, quote: Quote, side: Side) -> Decimal:
    """The market price at which an order of `side` opens."""
    return client_ask(terms, quote) if side == "BUY" else client_bid(terms, quote)


def closing_price(terms: Terms, quote: Quote, side: Side) -> Decimal:
    """The market price at which an open order of `side` closes: it is traded the other way round."""
    return opening_price(terms, quote, opposite(side))


def is_sound(quote: Quote) -> bool:
    """Whether a quote is a price at all: positive and not crossed. Locked (bid = ask) is sound."""
    return ZERO < quote.bid <= quote.ask


def is_stale(quote: Quote, price_age_ms: int, now_ms: int) -> bool:
    """Whether a quote is older than its limit. The limit counts only while the instrument's market is open."""
    return now_ms - quote.stamp_ms > price_age_ms


def usable_quote(terms: Terms, market: Market) -> Quote | Rejection:
    """The quote to fill or place an order with now, or why there is none."""
    symbol = terms.symbol
    if not market_open(terms, market.now_ms):
        return _closed(terms, market.now_ms)
    quote = market.quotes.get(symbol)
    if quote is None:
        return Rejection(Reason.no_price, f"{symbol} has not been quoted yet.")
    if not is_sound(quote):
        return Rejection(Reason.no_price, f"The last quote of {symbol} is crossed or not positive.")
    if client_bid(terms, quote) <= ZERO:
        return Rejection(Reason.no_price, f"The markup on {symbol} is as large as its price.")
    if is_stale(quote, terms.price_age_ms, market.now_ms):
        age_ms = market.now_ms - quote.stamp_ms
        detail = f"The last quote of {symbol} is {age_ms} ms old; at most {terms.price_age_ms} ms are allowed."
        return Rejection(Reason.stale_price, detail)
    return quote


def _closed(terms: Terms, now_ms: int) -> Rejection:
    opens_ms = next_open_ms(terms.hours, now_ms)
    if opens_ms is None:
        return Rejection(Reason.market_closed, f"The market of {terms.symbol} is closed and has no hours.")
    opens = utc_text(opens_ms)
    detail = f"The market of {terms.symbol} is closed until {opens}."
    wait_s = seconds_until(opens_ms, now_ms)
    return Rejection(Reason.market_closed, detail, facts={"opens_at": opens}, retry_after_s=wait_s)


def price_moved(terms: Terms, side: Side, asked: Decimal, points: Decimal, price: Decimal) -> bool:
    """Whether `price` is worse for the client than the price he `asked` for by more than `points`."""
    worse_by = price - asked if side == "BUY" else asked - price
    return worse_by > points * terms.spread_point


def valid_until(terms_list: Iterable[Terms], market: Market) -> int:
    """The moment, on the market's clock in ms, from which the first of these quotes is too old; 0 if none ever is.

    The quote of a closed market does not age, so it does not count.
    """
    ends = (
        market.quotes[terms.symbol].stamp_ms + terms.price_age_ms
        for terms in terms_list
        if terms.symbol in market.quotes and market_open(terms, market.now_ms)
    )
    return min(ends, default=0)
