"""What the admin's account pages tell of the book, beside what the record has: looked at anew for every page."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import redis

from accounts.models import AccountStatus, Routing, TradingAccount
from accounts.terms import Terms
from copytrading.kernel.decimals import ZERO, text
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.rejections import Reason, Rejection
from orders.admin import shown
from orders.admin.halt_forms import name_of
from orders.book import record
from orders.looking import prices
from orders.looking.account import live_orders, valued
from orders.rules import hours, pricing, valuation
from orders.rules.facts import Config, Order, Portfolio, Valuation
from orders.verbs.attempt import Gathered


@dataclass(frozen=True, slots=True)
class Look:
    """One account: its row in the record, and what the book has (`seen`), or why that can't be looked at (`away`)."""

    row: TradingAccount
    seen: Gathered | None = None
    worth: Valuation | Rejection | None = None
    away: str = ""

    @property
    def currency(self) -> str:
        return self.row.currency

    @property
    def digits(self) -> int:
        return self.seen.desk.digits if self.seen else self.row.group.currency.digits

    @property
    def priced(self) -> Valuation | None:
        return self.worth if isinstance(self.worth, Valuation) else None

    @property
    def as_of(self) -> str:
        return shown.time(self.seen.at_ms) if self.seen else ""

    @property
    def lag(self) -> int:
        """Commits of the book that the recorder has not folded into the record yet."""
        return self.seen.state.portfolio.version - self.row.recorded_version if self.seen else 0

    @property
    def withdrawable(self) -> str:
        if self.seen is None or self.priced is None:
            return shown.NONE
        portfolio = self.seen.state.portfolio
        return shown.amount(valuation.withdrawable(self.priced, portfolio.balance, portfolio.credit), self.digits)


@dataclass(frozen=True, slots=True)
class Figure:
    """`tone` is good, bad or nothing."""

    label: str
    value: str
    unit: str = ""
    tone: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting in the book and in the record."""

    label: str
    book: str
    recorded: str

    @property
    def differs(self) -> bool:
        return self.book not in (self.recorded, shown.NONE)


@dataclass(frozen=True, slots=True)
class Notice:
    """`tone` is bad, warning or info."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One order as a row of the table; `order` has what needs no formatting."""

    order: Order
    lots: str
    price: str
    now: str
    profit: str
    tone: str
    stop_loss: str
    take_profit: str
    expires: str
    opened: str


@dataclass(frozen=True, slots=True)
class OfferLine:
    """An instrument the account may trade, at its own prices; `why` no order would be filled on them now."""

    symbol: str
    bid: str
    ask: str
    lots: str
    why: str


def look_at(row: TradingAccount) -> Look:
    """Looking brings an account into the book that was never in it."""
    try:
        seen = valued(row.ref)
    except LedgerUnavailable as error:
        return Look(row, away=str(error))
    if isinstance(seen, Rejection):
        return Look(row, away=f"{seen.detail.rstrip('.')}. {seen.reason.advice}")
    return Look(row, *seen)


def figures(look: Look) -> list[Figure]:
    """The account's money now; nothing while the book is away."""
    if look.seen is None:
        return []
    portfolio, worth, group = look.seen.state.portfolio, look.priced, look.seen.desk.group

    def money(label: str, value: Decimal | None, tone: str = "", hint: str = "") -> Figure:
        return Figure(label, shown.amount(value, look.digits), look.currency if value is not None else "", tone, hint)

    equity, floating, free, level = (
        (worth.equity, worth.floating, worth.free_margin, worth.level) if worth else (None, None, None, None)
    )
    called = level is not None and level <= group.margin_call_level
    return [
        money("Balance", portfolio.balance),
        money("Credit", portfolio.credit),
        money("Equity", equity),
        money("Floating profit", floating, _tone(floating)),
        money("Used margin", portfolio.used_margin),
        money("Reserved margin", portfolio.reserved_margin),
        money("Free margin", free, "bad" if free is not None and free < ZERO else ""),
        Figure(
            "Margin level", shown.percent(level) if worth else shown.NONE, tone="bad" if called else "",
            hint=f"margin call at {text(group.margin_call_level)} %; "
            f"stop-out level {text(group.stop_out_level)} %, not carried out yet",
        ),
    ]  # fmt: skip


def beside(look: Look) -> list[Line]:
    """The book's money and settings beside the record's."""
    row, digits = look.row, look.digits
    recorded = _settings(row, row, row.group_id, row.recorded_version, digits)
    book: dict[str, str] = {}
    if look.seen:
        portfolio, config = look.seen.state.portfolio, look.seen.state.config
        book = _settings(portfolio, config, config.group, portfolio.version, digits)
    return [Line(label, book.get(label, shown.NONE), value) for label, value in recorded.items()]


def notices(look: Look) -> Iterator[Notice]:
    """What whoever is about to act should know first."""
    if look.seen is None:
        yield Notice("bad", f"The book can't be looked at now, so this page shows the record alone. {look.away}")
        return
    state, desk = look.seen.state, look.seen.desk
    held = {symbol: desk.terms[symbol] for symbol in state.portfolio.exposures}
    if state.portfolio.margin_called:
        yield Notice("bad", "This account is in margin call.")
    yield from _halts(look.seen)
    if state.config.status != AccountStatus.ACTIVE:
        status = AccountStatus(state.config.status).label
        yield Notice("warning", f"Status: {status}. It binds what the owner asks for, not what staff do.")
    if isinstance(look.worth, Rejection):
        yield Notice("warning", f"Not priced ({look.worth.reason.name}): {look.worth.detail}")
    elif stale := valuation.check_held_quotes(held, desk.market):
        yield Notice("warning", f"Valued at old prices: {stale.detail}")
    if closed := [_closed(terms, look.seen.at_ms) for terms in _terms_of(look.seen) if not _open(terms, look.seen)]:
        yield Notice("info", f"Market closed: {', '.join(closed)}.")
    if state.under_way:
        yield Notice("info", f"{len(state.under_way)} transfer(s) to other accounts are under way.")


def _halts(seen: Gathered) -> Iterator[Notice]:
    """All in force that concern the account and what it has; what stops everything stands first."""
    concerned = {
        "platform",
        f"group:{seen.desk.group.name}",
        *(f"instrument:{each.symbol}" for each in _terms_of(seen)),
    }
    standing = [each for each in seen.state.halts if each.scope in concerned and not each.is_over(seen.at_ms)]
    for halt in sorted(standing, key=lambda each: (each.opens_only, each.scope)):
        what = "opening" if halt.opens_only else "everything"
        until = f"until {shown.time(halt.until_ms)} UTC" if halt.until_ms else "until it is lifted"
        yield Notice("bad", f"{name_of(halt.scope)}: {what} is halted {until}: {halt.reason}")


def _terms_of(seen: Gathered) -> list[Terms]:
    """Of the instruments the account has orders in."""
    return [seen.desk.terms[symbol] for symbol in sorted({each.symbol for each in seen.state.orders.values()})
            if symbol in seen.desk.terms]  # fmt: skip


def _open(terms: Terms, seen: Gathered) -> bool:
    return hours.market_open(terms, seen.at_ms)


def _closed(terms: Terms, now_ms: int) -> str:
    opens = hours.next_open_ms(terms.hours, now_ms)
    return f"{terms.symbol} (opens {shown.time(opens)} UTC)" if opens else f"{terms.symbol} (has no hours)"


def order_lines(look: Look) -> list[OrderLine]:
    """Live orders, oldest first: the book's, or the record's while the book is away."""
    if look.seen is None:
        return [line_of(order, look) for order in record.live_orders(look.row.ref)]
    return [line_of(order, look) for order in live_orders(look.seen)]


def line_of(order: Order, look: Look) -> OrderLine:
    terms = look.seen.desk.terms.get(order.symbol) if look.seen else None
    digits = terms.digits if terms else 0
    made = prices.profit_now(order, look.seen.desk) if look.seen else None
    partly = order.status == "OPEN" and order.open_lots != order.lots
    return OrderLine(
        order=order,
        lots=f"{text(order.open_lots)} of {text(order.lots)}" if partly else text(order.lots),
        price=shown.price(order.open_price if order.status == "OPEN" else order.order_price, digits),
        now=shown.price(prices.price_now(order, look.seen.desk) if look.seen else None, digits),
        profit=shown.amount(made, look.digits),
        tone=_tone(made),
        stop_loss=shown.price(order.stop_loss, digits),
        take_profit=shown.price(order.take_profit, digits),
        expires=shown.time(order.expires_at_ms) if order.expires_at_ms else "",
        opened=shown.time(order.opened_at_ms or order.created_at_ms),
    )


def offer_lines(seen: Gathered) -> list[OfferLine]:
    """All instruments of the account's group, whether they have a price or not."""
    desk = seen.desk
    everything = sorted(desk.catalogue.terms.items())
    offered = {symbol: terms for (group, symbol), terms in everything if group == desk.group.name}
    try:
        priced = {each.terms.symbol: each for each in prices.seen(offered)[0]}
    except redis.exceptions.RedisError:
        priced = {}
    return [_offer_line(terms, priced.get(symbol)) for symbol, terms in offered.items()]


def _offer_line(terms: Terms, seen: prices.Seen | None) -> OfferLine:
    bid, ask = (pricing.client_bid(terms, seen.quote), pricing.client_ask(terms, seen.quote)) if seen else (None, None)
    refused = seen.refused.reason if seen and seen.refused else None if seen else Reason.no_price
    return OfferLine(
        symbol=terms.symbol,
        bid=shown.price(bid, terms.digits),
        ask=shown.price(ask, terms.digits),
        lots=f"{text(terms.lot_min)} to {text(terms.lot_max)}",
        why=refused.name.replace("_", " ") if refused else "",
    )


def _settings(
    money: Portfolio | TradingAccount, config: Config | TradingAccount, group: str, version: int, digits: int
) -> dict[str, str]:
    return {
        "Balance": shown.amount(money.balance, digits),
        "Credit": shown.amount(money.credit, digits),
        "Margin call": "yes" if money.margin_called else "no",
        "Status": AccountStatus(config.status).label,
        "Routing": Routing(config.sending_orders).label,
        "Group": group,
        "Leverage": f"1:{config.leverage}",
        "Version": str(version),
    }


def _tone(number: Decimal | None) -> str:
    if not number:
        return ""
    return "good" if number > ZERO else "bad"
