"""The four beats of every verb: gather, decide, record, execute. A verb brings only the decision.

A lost race (CONFLICT) or a price grown too old (EXPIRED) starts again from the gathering, with fresh
quotes; a person is told `conflict` after 8 attempts.
"""

import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

import redis
from django.db import DatabaseError

from accounts import catalogue as catalogues
from copytrading.kernel import clock
from copytrading.kernel.decimals import text
from copytrading.kernel.errors import InvariantBroken, LedgerUnavailable
from copytrading.kernel.ids import AccountRef, command_id, digest
from copytrading.kernel.rejections import Reason, Rejection
from orders.book import announce, guard, quotes
from orders.book.account import Cause, Changes, NotInBook, State, StoredAnswer, commit, load
from orders.book.connection import market
from orders.book.record import recorded_order
from orders.messages import Command, Done
from orders.rules import conversion, pricing, valuation
from orders.rules.facts import Desk, Market, Order, Quote
from orders.rules.lifecycle import TERMINAL

ATTEMPTS = 8
#: Who asks and how is not what is asked; nor is which quote touched a level.
_NOT_BODY = ("principal", "key", "staff", "quote")
#: The flow that the command under way was found to be about, for what is told of it when it is refused.
met_flow: ContextVar[str] = ContextVar("met_flow")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one attempt decides on."""

    state: State
    desk: Desk
    command_id: str
    at_ms: int

    @property
    def next_version(self) -> int:
        return self.state.portfolio.version + 1


@dataclass(frozen=True, slots=True)
class Prices:
    """What a decision's prices were: of these symbols, with their profit converted unless told otherwise.

    `opened` is the symbol whose margin was converted, `fired` the quote that touched a level.
    """

    symbols: tuple[str, ...] = ()
    converted: bool = True
    opened: str = ""
    fired: Quote | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall become true, what the client is told, and the prices it rests on: it holds no longer than they.

    `note` is what the journal tells beside the command's own reason.
    """

    changes: Changes
    answer: dict[str, Any]
    prices: Prices = Prices()
    note: str = ""


Decide = Callable[[Gathered], Decision | Rejection]


@dataclass(frozen=True, slots=True)
class Needs:
    """What is to be read: orders by id (or all live ones), symbols beside those held, prices or none.

    Whoever only looks can do without the `terms` of what the account holds; nobody decides without them.
    """

    orders: tuple[str, ...] = ()
    all_orders: bool = False
    symbols: tuple[str, ...] = ()
    prices: bool = True
    terms: bool = True


def attempt(command: Command, decide: Decide, needs: Needs, *, identity: str = "") -> Done | Rejection:
    """Carry `command` out once. Raises LedgerUnavailable (nothing done) or OutcomeUnknown (it may be done)."""
    named = identity or command_id(command.principal, command.account, command.verb, command.key)
    body = body_hash(command)
    expired = False
    for turn in range(ATTEMPTS):
        gathered = gather(command.account, named, needs)
        if isinstance(gathered, Rejection):
            return gathered
        if isinstance(gathered, StoredAnswer):
            return _stored(gathered, named, body)
        decision = decide(gathered)
        if isinstance(decision, Rejection):
            return decision
        cause = Cause(
            verb=command.verb,
            command_id=named,
            body_hash=body,
            principal=command.principal,
            answer=decision.answer,
            valid_until_ms=_valid_until(decision.prices, gathered.desk),
            note="; ".join(filter(None, (decision.note, command.reason))),
        )
        changes = replace(decision.changes, quotes=_quotes(decision.prices, gathered.desk))
        result = commit(gathered.state.portfolio, command.account, changes, cause)
        if result.outcome == "DONE":
            announce.after(command.account, changes, gathered.desk.config.group)
            return Done(decision.answer, named)
        if result.outcome in ("REPLAY", "MISMATCH"):
            return _stored(result.stored, named, body)
        if result.outcome in ("EXISTS", "MISSING"):
            raise InvariantBroken(f"{command.account}: {result.outcome} while committing {named}; run audit")
        expired = result.outcome == "EXPIRED"
        time.sleep(random.uniform(0, 0.002 * 2**turn))
    if expired:
        return Rejection(Reason.stale_price, "The prices were too old each time the decision was to be booked.")
    return Rejection(Reason.conflict, f"Account {command.account} changed {ATTEMPTS} times while this was decided.")


def was_carried_out(command: Command) -> bool:
    """Whether its key was used for something done. Raises LedgerUnavailable."""
    named = command_id(command.principal, command.account, command.verb, command.key)
    return load(command.account, command_id=named).stored is not None


def gather(account: AccountRef, named: str, needs: Needs) -> Gathered | StoredAnswer | Rejection:
    """Everything one attempt needs, or the answer that was already given to this command."""
    try:
        state = load(account, needs.orders, named, all_orders=needs.all_orders)
    except NotInBook:
        if not guard.enter(account):
            return Rejection(Reason.account_not_found, f"There is no account {account}.")
        state = load(account, needs.orders, named, all_orders=needs.all_orders)
    if state.stored:
        return state.stored
    catalogue = catalogues.current(state.epoch)
    group = catalogue.groups.get(state.config.group)
    if group is None:
        return Rejection(Reason.missing_group_data, f"Group {state.config.group!r} is not in the catalogue.")
    ordered = {order.symbol for order in state.orders.values()}
    wanted = {*needs.symbols, *ordered, *state.portfolio.exposures}
    terms = {symbol: found for symbol in wanted if (found := catalogue.terms.get((group.name, symbol)))}
    held = {*state.portfolio.exposures, *(ordered if needs.prices else ())} if needs.terms else set()
    if missing := sorted(held - terms.keys()):
        return Rejection(
            Reason.missing_group_data, f"Group {group.name} lacks terms for {', '.join(missing)}, which {account} has."
        )
    prices = Market(clock.now_ms(), {})
    if needs.prices:
        asked = valuation.quotes_needed(terms, state.config.currency, terms, catalogue)
        try:
            prices = quotes.read(market(), asked)
        except redis.exceptions.RedisError as error:
            return Rejection(Reason.no_price, f"The market instance can't be reached: {error}.")
    return Gathered(state, Desk(state.config, group, terms, catalogue, prices), named, prices.now_ms)


def first_refusal(*checks: Callable[[], Rejection | None]) -> Rejection | None:
    """The first refusal in the order given; later checks are not asked."""
    for check in checks:
        if refused := check():
            return refused
    return None


def body_hash(command: Command) -> str:
    """What the client asked for, so that one key with another body is noticed."""
    parts = [type(command).__name__]
    for named in fields(command):
        if named.name not in _NOT_BODY:
            value = getattr(command, named.name)
            parts.append(f"{named.name}={text(value) if isinstance(value, Decimal) else value}")
    return digest(*parts)


def order_of(gathered: Gathered, order_id: str) -> Order | Rejection:
    """The named order, or why there is none. One that ended long ago has left the book and is asked of the record."""
    if order := gathered.state.orders.get(order_id):
        met_flow.set(order.flow)
        return order
    try:
        order = recorded_order(order_id)
    except DatabaseError as error:
        raise LedgerUnavailable(f"{order_id} is not in the book, and the record can't be asked: {error}") from error
    if order is None or order.account != str(gathered.state.account):
        return Rejection(Reason.order_not_found, f"There is no order {order_id} on this account.")
    met_flow.set(order.flow)
    if order.status not in TERMINAL:
        raise InvariantBroken(f"{order_id} is recorded as {order.status}, but is not in the book; run audit")
    return order


def _valid_until(prices: Prices, desk: Desk) -> int:
    """When the first of them grows too old; 0 if none ever does."""
    limits = [
        pricing.valid_until([desk.terms[symbol] for symbol in prices.symbols], desk.market),
        conversion.valid_until(_pairs(prices, desk), desk.catalogue, desk.market),
    ]
    if prices.fired:
        limits.append(prices.fired.stamp_ms + desk.terms[prices.fired.symbol].price_age_ms)
    return min((limit for limit in limits if limit), default=0)


def _quotes(prices: Prices, desk: Desk) -> tuple[Quote, ...]:
    """As they are named in the journal entry."""
    named = sorted({*prices.symbols, *_pairs(prices, desk)} & desk.market.quotes.keys())
    quotes = [desk.market.quotes[symbol] for symbol in named]
    return tuple([prices.fired, *quotes] if prices.fired and prices.fired not in quotes else quotes)


def _pairs(prices: Prices, desk: Desk) -> set[str]:
    """The pairs that money was converted with."""
    currencies = {desk.terms[symbol].profit_currency for symbol in prices.symbols} if prices.converted else set()
    if prices.opened:
        currencies.add(desk.terms[prices.opened].margin_currency)
    found: set[str] = set()
    for currency in currencies:
        found |= conversion.symbols_between(currency, desk.config.currency, desk.catalogue.pairs) or frozenset()
    return found


def _stored(stored: StoredAnswer | None, named: str, body: str) -> Done | Rejection:
    if stored is None or stored.body_hash != body:
        return Rejection(Reason.idempotency_mismatch, "This key was used with another body.")
    return Done(stored.answer, named, replayed=True)
