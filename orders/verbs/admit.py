"""What every order that adds risk is asked, whether it is opened, placed or fires."""

from dataclasses import replace
from decimal import Decimal

from copytrading.kernel.decimals import ONE
from copytrading.kernel.rejections import Rejection
from orders.messages import Report
from orders.rules import admission, commission, conversion, flow, halts, margin, valuation
from orders.rules.facts import Desk, Exposure, Flow, Order, Portfolio, Valuation
from orders.settlement import Settled, settle, used_margin
from orders.verbs.attempt import Gathered, first_refusal, met_flow


def check_birth(symbol: str, lots: Decimal, asked: str | None, staff: bool, gathered: Gathered) -> Flow | Rejection:
    """What a new order is asked before prices are: instrument, size, flow, account, halts. Gives its flow."""
    desk, state = gathered.desk, gathered.state
    terms = desk.terms.get(symbol)
    if terms is None:
        return admission.not_offered(desk.group.name, symbol)
    if refused := admission.check_lots(terms, lots):
        return refused
    stamped = flow.route(state.account.kind, desk.config.sending_orders, asked, staff)
    if isinstance(stamped, Rejection):
        return stamped
    met_flow.set(stamped)
    return check_opening(symbol, staff, gathered) or stamped


def check_opening(symbol: str, staff: bool, gathered: Gathered) -> Rejection | None:
    """Whether this account may add risk in this instrument at all now."""
    desk = gathered.desk
    return first_refusal(
        lambda: admission.check_leverage(desk.config.leverage),
        lambda: admission.check_status(desk.config.status, True, staff),
        lambda: halts.check_halts(gathered.state.halts, desk.group.name, symbol, True, gathered.at_ms),
    )


def admit_fill(portfolio: Portfolio, order: Order, report: Report, desk: Desk) -> Settled | Rejection:
    """The fill settled, if the account can carry it: free margin after it is not negative."""
    if refused := _check_rates(portfolio, order.symbol, desk):
        return refused
    settled = settle(portfolio, order, report, desk)
    if isinstance(settled, Rejection):
        return settled
    before, after = measure(portfolio, desk), measure(settled.portfolio, desk)
    if isinstance(before, Rejection):
        return before
    if isinstance(after, Rejection):
        return after
    return admission.admit(before, after) or settled


def admit_resting(portfolio: Portfolio, order: Order, desk: Desk) -> Rejection | None:
    """Whether a resting order could be carried alone now, filled at its own price. It holds nothing yet."""
    if refused := _check_rates(portfolio, order.symbol, desk):
        return refused
    terms, price, currency = desk.terms[order.symbol], order.order_price or ONE, desk.config.currency
    held = margin.order_margin(terms, desk.config.leverage, order.lots, price, currency, desk.catalogue, desk.market)
    charged = commission.entry_commission(
        terms.commission, order.lots, price, terms.contract_size, terms.profit_currency, currency,
        desk.catalogue, desk.market,
    )  # fmt: skip
    before = measure(portfolio, desk)
    if isinstance(held, Rejection):
        return held
    if isinstance(charged, Rejection):
        return charged
    if isinstance(before, Rejection):
        return before
    exposure = portfolio.exposures.get(order.symbol, Exposure())
    carried = exposure.moved(order.side, order.lots, order.lots * price, held)
    more = used_margin({**portfolio.exposures, order.symbol: carried}, desk) - portfolio.used_margin
    return admission.admit(before, replace(before, free_margin=before.free_margin - more - charged))


def measure(portfolio: Portfolio, desk: Desk) -> Valuation | Rejection:
    return valuation.value(portfolio, desk.group, desk.config.currency, desk.terms, desk.catalogue, desk.market)


def _check_rates(portfolio: Portfolio, symbol: str, desk: Desk) -> Rejection | None:
    """A close must never lack a rate, so the open asks for it; with stale prices an account may only reduce."""
    currency = desk.terms[symbol].profit_currency
    rate = conversion.convert(ONE, currency, desk.config.currency, desk.catalogue, desk.market)
    if isinstance(rate, Rejection):
        return rate
    return valuation.check_held_quotes({held: desk.terms[held] for held in portfolio.exposures}, desk.market)
