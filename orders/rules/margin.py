"""Margin: what an order takes, what hedging gives back, and what orders in flight may still come to take.

All margin is in account currency. That of an order is fixed at its opening; a symbol's follows the
group's hedging mode from the sums of its two legs; an account's is the sum over its symbols.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from accounts.terms import Catalogue, HedgingMode, Terms
from copytrading.kernel.decimals import ZERO, money
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Rejection
from orders.rules.conversion import convert_at_mid, currency_digits
from orders.rules.facts import Exposure, Market, Order, Side


@dataclass(frozen=True, slots=True)
class InFlight:
    """What one market order in flight adds to its leg if all of it is filled.

    `side` is the leg. An open adds lots, cost and margin; a close takes them away, so all three are negative.
    """

    symbol: str
    side: Side
    lots: Decimal
    cost: Decimal
    margin: Decimal

    def __post_init__(self) -> None:
        if self.lots.is_zero():
            raise InvariantBroken(f"an order in flight on {self.symbol} has no lots; leave it out")


def order_margin(
    terms: Terms,
    leverage: int,
    lots: Decimal,
    open_price: Decimal,
    account_currency: str,
    catalogue: Catalogue,
    market: Market,
) -> Decimal | Rejection:
    """The margin of an order opened at `open_price`, rounded half up.

    Forex is measured in margin currency by lots alone, any other class in profit currency at the open
    price. Between margin and account currency stands the open price itself where it is their rate,
    else the raw mid. A `margin_rate` of the terms, a fraction of the notional, replaces 1 / leverage.
    """
    size = lots * terms.contract_size * terms.margin_factor
    # The division comes last, so that a tie at the last digit is seen as one.
    if terms.instrument_class != "forex":
        full = convert_at_mid(size * open_price, terms.profit_currency, account_currency, catalogue, market)
    elif account_currency not in (terms.margin_currency, terms.profit_currency):
        full = convert_at_mid(size, terms.margin_currency, account_currency, catalogue, market)
    else:
        full = size if account_currency == terms.margin_currency else size * open_price
    if isinstance(full, Rejection):
        return full
    share = full / leverage if terms.margin_rate is None else full * terms.margin_rate
    return money(share, currency_digits(catalogue, account_currency))


def margin_of_rest(margin: Decimal, rest_lots: Decimal, original_lots: Decimal, digits: int) -> Decimal:
    """The share of an order's `margin` that its rest still takes. What a partial close releases is the difference."""
    return money(margin * rest_lots / original_lots, digits)


def margin_in_use(order: Order, digits: int) -> Decimal:
    """The order's share that its open lots take now."""
    if order.filled_lots.is_zero():
        return ZERO
    return margin_of_rest(order.margin, order.open_lots, order.filled_lots, digits)


def exposures_of(orders: Iterable[Order], digits: int) -> dict[str, Exposure]:
    """What these orders have open, by symbol."""
    exposures: dict[str, Exposure] = {}
    for order in orders:
        if order.open_lots:
            leg = exposures.get(order.symbol, Exposure())
            held = margin_in_use(order, digits)
            exposures[order.symbol] = leg.moved(order.side, order.open_lots, order.open_cost, held)
    return exposures


def symbol_margin(exposure: Exposure, mode: HedgingMode, terms: Terms, digits: int) -> Decimal:
    """What the open lots of one symbol take together, long against short.

    `larger_leg` takes the larger sum, `sum` both; `net` takes the uncovered share of the leg with more
    lots; `mt5_hedged` takes that too, and for each covered lot the mean of both legs at hedged size.
    """
    if mode == "larger_leg":
        return max(exposure.long_margin, exposure.short_margin)
    if mode == "sum":
        return exposure.long_margin + exposure.short_margin
    larger_lots, larger_margin, covered = _larger(exposure)
    if larger_lots.is_zero():
        return ZERO
    uncovered = money(larger_margin * (larger_lots - covered) / larger_lots, digits)
    if mode == "net":
        return uncovered
    margin, lots = exposure.long_margin + exposure.short_margin, exposure.long_lots + exposure.short_lots
    return uncovered + money(covered * terms.hedged_size * margin / (terms.contract_size * lots), digits)


def used_margin(
    exposures: Mapping[str, Exposure], mode: HedgingMode, terms_by_symbol: Mapping[str, Terms], digits: int
) -> Decimal:
    """What an account's open lots take. Exactly zero when flat."""
    held = ((symbol, exposure) for symbol, exposure in exposures.items() if not exposure.flat)
    return sum((symbol_margin(exposure, mode, terms_by_symbol[symbol], digits) for symbol, exposure in held), ZERO)


def reserved_margin(
    exposures: Mapping[str, Exposure],
    in_flight: Iterable[InFlight],
    mode: HedgingMode,
    terms_by_symbol: Mapping[str, Terms],
    digits: int,
) -> Decimal:
    """The largest used margin that any outcome of the orders in flight can give, less what is used now.

    Symbols add up, so each is looked at alone. What can become of a leg lies between all of its closes
    filled and none of its opens, and the other way round; of both legs, in a box. Given the other leg,
    `larger_leg` and `sum` never shrink with more lots, and `net` shrinks until the legs are even and
    grows from there: no peak lies inside the box or on an edge, so its corners are enough.

    `mt5_hedged` is like `net` while a symbol's margins per lot are alike. Where they are not, a dear
    order may fill and a cheap one not, so between the corners of a leg stand the steps on which its
    fills come dearest first: no leg of as many lots has more margin. What lies between two steps can
    exceed them by a hair (below 0.2 % where margins per lot differ by a fifth), which is let pass.
    """
    by_symbol: dict[str, list[InFlight]] = {}
    for each in in_flight:
        by_symbol.setdefault(each.symbol, []).append(each)
    reserved = ZERO
    for symbol, flying in by_symbol.items():
        terms, now = terms_by_symbol[symbol], exposures.get(symbol, Exposure())
        used = symbol_margin(now, mode, terms, digits)
        reserved += max(symbol_margin(corner, mode, terms, digits) for corner in _corners(now, flying)) - used
    return reserved


def level(equity: Decimal, used: Decimal) -> Decimal | None:
    """Margin level in percent, not rounded; None without margin."""
    return None if used.is_zero() else equity * 100 / used


def _larger(exposure: Exposure) -> tuple[Decimal, Decimal, Decimal]:
    """Lots and margin of the leg with more lots, and the lots of the other one, which it covers."""
    if exposure.long_lots >= exposure.short_lots:
        return exposure.long_lots, exposure.long_margin, exposure.short_lots
    return exposure.short_lots, exposure.short_margin, exposure.long_lots


def _corners(now: Exposure, flying: list[InFlight]) -> Iterator[Exposure]:
    """The exposures that can take the most margin: that of now, and each outcome of one leg with each of the other."""
    yield now
    longs = _leg_outcomes(now.long_lots, now.long_margin, [each for each in flying if each.side == "BUY"])
    shorts = _leg_outcomes(now.short_lots, now.short_margin, [each for each in flying if each.side == "SELL"])
    for (long_lots, long_margin), (short_lots, short_margin) in product(longs, shorts):
        yield Exposure(long_lots=long_lots, long_margin=long_margin, short_lots=short_lots, short_margin=short_margin)


def _leg_outcomes(lots: Decimal, margin: Decimal, flying: list[InFlight]) -> list[tuple[Decimal, Decimal]]:
    """(lots, margin) of one leg, from the fewest lots it can come to up to the most, the dearest fill first.

    On that way a close counts when it is not filled: its lots stay.
    """
    for each in flying:
        if each.lots < ZERO:
            lots, margin = lots + each.lots, margin + each.margin
    if lots < ZERO or margin < ZERO:
        raise InvariantBroken("closes in flight exceed the lots or margin of their leg; find the close sent twice")
    outcomes = [(lots, margin)]
    for each in sorted(flying, key=lambda one: one.margin / one.lots, reverse=True):
        lots, margin = lots + abs(each.lots), margin + abs(each.margin)
        outcomes.append((lots, margin))
    return outcomes
