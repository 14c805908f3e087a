"""settle(): what one fill does to an order, its account's exposure and its money. Every venue's fills end here.

Invariants: exposure moves by exactly what the order's open lots, cost and margin in use move; the
balance moves by exactly the transfers; a flat symbol leaves no trace.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from accounts.terms import Commission
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Rejection
from orders.messages import Report
from orders.rules import commission, margin, profit
from orders.rules.facts import Deal, Desk, Exposure, Order, Portfolio, Transfer
from orders.rules.lifecycle import next_status

_MEAN = Decimal("1e-10")  # a mean of several fills' prices is kept to this, as far as the record keeps a price


@dataclass(frozen=True, slots=True)
class Settled:
    """`portfolio` carries the version it had; whoever commits moves it."""

    portfolio: Portfolio
    order: Order
    deals: tuple[Deal, ...]
    transfers: tuple[Transfer, ...]


def settle(portfolio: Portfolio, order: Order, report: Report, desk: Desk) -> Settled | Rejection:
    """Refused only where a conversion rate is missing; a fill is otherwise a fact."""
    if report.entry == "in":
        return _opened(portfolio, order, report, desk)
    return _closed(portfolio, order, report, desk)


def house(name: str, currency: str) -> str:
    """The name of one of the broker's own accounts: bank, trading, commission, swap, credit, transit, error."""
    return f"house:{name}:{currency}"


def used_margin(exposures: dict[str, Exposure], desk: Desk) -> Decimal:
    return margin.used_margin(exposures, desk.group.hedging_mode, desk.terms, desk.digits)


def _opened(portfolio: Portfolio, order: Order, report: Report, desk: Desk) -> Settled | Rejection:
    terms = desk.terms[order.symbol]
    currency = desk.config.currency
    held = margin.order_margin(
        terms, desk.config.leverage, report.lots, report.price, currency, desk.catalogue, desk.market
    )
    if isinstance(held, Rejection):
        return held
    charged = commission.entry_commission(
        terms.commission, report.lots, report.price, terms.contract_size, terms.profit_currency,
        currency, desk.catalogue, desk.market,
    )  # fmt: skip
    if isinstance(charged, Rejection):
        return charged
    filled = order.filled_lots + report.lots
    cost = order.open_cost + report.lots * report.price
    after = replace(
        order,
        status=next_status(order.status, "filled"),
        open_lots=order.open_lots + report.lots,
        filled_lots=filled,
        leaves_lots=order.leaves_lots - report.lots,
        open_cost=cost,
        open_price=(cost / (order.open_lots + report.lots)).quantize(_MEAN),
        margin=order.margin + held,
        contract_size=terms.contract_size,
        commission_kind=terms.commission.kind,
        commission_rate=terms.commission.rate,
        commission_timing=terms.commission.timing,
        commission=order.commission - charged,
        opened_at_ms=order.opened_at_ms or report.at_ms,
    )
    return _settled(portfolio, order, after, report, desk, gained=ZERO, charged=charged)


def _closed(portfolio: Portfolio, order: Order, report: Report, desk: Desk) -> Settled | Rejection:
    if report.lots > order.open_lots or order.open_price is None:
        raise InvariantBroken(f"{order.order_id}: a fill out of {report.lots} lots, open are {order.open_lots}")
    currency, terms = desk.config.currency, desk.terms[order.symbol]
    rest = order.open_lots - report.lots
    gained = profit.realised(
        order.side, report.lots, order.contract_size, order.open_price, report.price,
        terms.profit_currency, currency, desk.catalogue, desk.market,
    )  # fmt: skip
    if isinstance(gained, Rejection):
        return gained
    charged = commission.exit_commission(
        Commission(order.commission_kind, order.commission_rate, order.commission_timing),  # type: ignore[arg-type]
        report.lots, report.price, order.contract_size, terms.profit_currency,
        currency, desk.catalogue, desk.market,
    )  # fmt: skip
    if isinstance(charged, Rejection):
        return charged
    closed_before = order.filled_lots - order.open_lots
    after = replace(
        order,
        status=next_status(order.status, "reduced" if rest else "closed"),
        open_lots=rest,
        open_cost=rest * order.open_price if rest else ZERO,
        close_price=_mean(order.close_price, closed_before, report.price, report.lots),
        commission=order.commission - charged,
        profit=order.profit + gained,
        closed_at_ms=0 if rest else report.at_ms,
    )
    return _settled(portfolio, order, after, report, desk, gained=gained, charged=charged)


def _mean(old: Decimal | None, old_lots: Decimal, new: Decimal, new_lots: Decimal) -> Decimal:
    """The mean closing price of the lots closed so far; for the eye, no money is computed from it."""
    if old is None:
        return new
    mean = (old * old_lots + new * new_lots) / (old_lots + new_lots)
    return mean.quantize(_MEAN)


def _settled(
    portfolio: Portfolio, before: Order, after: Order, report: Report, desk: Desk, *, gained: Decimal, charged: Decimal
) -> Settled:
    exposures = _exposed(portfolio.exposures, before, after, desk.digits)
    currency, account = desk.config.currency, after.account
    transfers = [
        _payment(account, house("trading", currency), gained, currency, "profit", after.order_id),
        _payment(account, house("commission", currency), -charged, currency, "commission", after.order_id),
    ]
    deal = Deal(
        after.order_id, after.symbol, report.side, report.entry, report.lots, report.price,
        gained, -charged, ZERO, report.at_ms,
    )  # fmt: skip
    return Settled(
        replace(
            portfolio,
            balance=portfolio.balance + gained - charged,
            exposures=exposures,
            used_margin=used_margin(exposures, desk),
        ),
        after,
        (deal,),
        tuple(transfer for transfer in transfers if transfer),
    )


def _exposed(exposures: dict[str, Exposure], before: Order, after: Order, digits: int) -> dict[str, Exposure]:
    moved = exposures.get(after.symbol, Exposure()).moved(
        after.side,
        after.open_lots - before.open_lots,
        after.open_cost - before.open_cost,
        margin.margin_in_use(after, digits) - margin.margin_in_use(before, digits),
    )
    others = {symbol: exposure for symbol, exposure in exposures.items() if symbol != after.symbol}
    if not moved.flat:
        return {**others, after.symbol: moved}
    if moved != Exposure():
        raise InvariantBroken(f"{after.account} is flat in {after.symbol} but keeps {moved}: run audit")
    return others


def _payment(
    account: str, counterpart: str, amount: Decimal, currency: str, kind: str, order_id: str
) -> Transfer | None:
    """`amount` to the account when positive, from it when negative, nothing when zero."""
    if amount.is_zero():
        return None
    debit, credit = (counterpart, account) if amount > 0 else (account, counterpart)
    return Transfer(debit, credit, abs(amount), currency, kind, order_id=order_id)
