"""A customer who never sleeps: trades one demo account in small random steps, so that there is something to see.

Whatever he does goes through the same verbs as anybody's order. A refusal is part of the show; when
an answer is lost he asks again with the same key, as every client should.
"""

import random
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from accounts import catalogue
from accounts.terms import Terms
from copytrading.kernel import clock
from copytrading.kernel.decimals import ceil_to
from copytrading.kernel.ids import AccountRef, OrderId
from orders import verbs
from orders.book import quotes
from orders.book.account import State, load
from orders.book.connection import market
from orders.messages import CancelPending, CloseOrder, Command, OpenOrder, PlacePending, Protect
from orders.rules import pricing
from orders.rules.facts import PENDING_TYPES, Order, Quote, Side, side_of
from workers.base import Worker

MOST_OPEN = 8
MOST_PENDING = 6
MOST_STEPS = 10  # of the lot step, in one order
PAUSE_S = (0.8, 1.6)


class DemoTrader(Worker):
    """The same seed, state and prices make the same decisions."""

    name = "demo_trader"

    def __init__(self, account: AccountRef, principal: str, seed: int, stop: threading.Event) -> None:
        super().__init__(stop=stop)
        self.account = account
        self.principal = principal
        self._chance = random.Random(seed)  # a show, no secret
        self._run = f"demo-{seed}-{clock.now_ms()}"
        self._count = 0
        self._unanswered: Command | None = None

    def step(self) -> bool:
        """An outage leaves the command unanswered; the next step sends it again, with its key."""
        if self._unanswered is None:
            self._count += 1
            self._unanswered = self.decide(load(self.account, all_orders=True))
        if self._unanswered is not None:
            verbs.carry_out(self._unanswered)  # its line in the log says what became of it
            self._unanswered = None
        self.stop.wait(self._chance.uniform(*PAUSE_S))
        return False

    def decide(self, state: State) -> Command | None:
        """None when what the die chose can't be done now."""
        held = [order for order in state.orders.values() if order.status == "OPEN"]
        resting = [order for order in state.orders.values() if order.status == "PENDING"]
        if len(held) >= MOST_OPEN:
            return self._close(held)
        if len(resting) >= MOST_PENDING:
            return self._cancel(resting)
        acts: list[Callable[[], Command | None]] = [
            lambda: self._open(state),
            lambda: self._place(state),
            lambda: self._protect(state, held),
            lambda: self._close(held),
            lambda: self._cancel(resting),
        ]
        (act,) = self._chance.choices(acts, weights=(8, 4, 3, 4, 1))
        return act()

    def _open(self, state: State) -> Command | None:
        if (found := self._symbol(state)) is None:
            return None
        terms, quote = found
        side: Side = "BUY" if self._chance.random() < 0.5 else "SELL"
        away = self._distance(terms, quote) if self._chance.random() < 0.5 else None
        below, above = self._around(terms, quote, side, away)
        return OpenOrder(
            **self._envelope(),
            symbol=terms.symbol,
            order_type=side,
            lots=self._lots(terms),
            stop_loss=below if side == "BUY" else above,
            take_profit=above if side == "BUY" else below,
        )

    def _place(self, state: State) -> Command | None:
        if (found := self._symbol(state)) is None:
            return None
        terms, quote = found
        order_type = self._chance.choice(PENDING_TYPES)
        away = self._distance(terms, quote)
        price = pricing.opening_price(terms, quote, side_of(order_type))
        lower = order_type in ("BUY_LIMIT", "SELL_STOP")
        return PlacePending(
            **self._envelope(),
            symbol=terms.symbol,
            order_type=order_type,
            lots=self._lots(terms),
            order_price=price - away if lower else price + away,
        )

    def _protect(self, state: State, held: list[Order]) -> Command | None:
        bare = [order for order in held if order.stop_loss is None]
        if not bare:
            return None
        order = self._chance.choice(bare)
        if (found := self._quoted(state, order.symbol)) is None:
            return None
        terms, quote = found
        below, above = self._around(terms, quote, order.side, self._distance(terms, quote))
        level = below if order.side == "BUY" else above
        return Protect(**self._envelope(), order_id=OrderId(order.order_id), kind="stop_loss", level=level)

    def _close(self, held: list[Order]) -> Command | None:
        if not held:
            return None
        return CloseOrder(**self._envelope(), order_id=OrderId(self._chance.choice(held).order_id))

    def _cancel(self, resting: list[Order]) -> Command | None:
        if not resting:
            return None
        return CancelPending(**self._envelope(), order_id=OrderId(self._chance.choice(resting).order_id))

    def _envelope(self) -> dict[str, Any]:
        return {"account": self.account, "principal": self.principal, "key": f"{self._run}-{self._count}"}

    def _symbol(self, state: State) -> tuple[Terms, Quote] | None:
        offered = catalogue.current(state.epoch).terms
        symbols = sorted(symbol for group, symbol in offered if group == state.config.group)
        return self._quoted(state, self._chance.choice(symbols)) if symbols else None

    def _quoted(self, state: State, symbol: str) -> tuple[Terms, Quote] | None:
        terms = catalogue.current(state.epoch).terms.get((state.config.group, symbol))
        quote = quotes.read(market(), [symbol]).quotes.get(symbol)
        return (terms, quote) if terms is not None and quote is not None else None

    def _lots(self, terms: Terms) -> Decimal:
        return min(terms.lot_min + terms.lot_step * self._chance.randrange(MOST_STEPS), terms.lot_max)

    def _distance(self, terms: Terms, quote: Quote) -> Decimal:
        """Some widths of the client's own spread: near enough to be reached within minutes."""
        width = pricing.client_ask(terms, quote) - pricing.client_bid(terms, quote)
        nearest = terms.stops_level * terms.spread_point
        return ceil_to(nearest + width * self._chance.randint(1, 4), terms.tick)

    def _around(
        self, terms: Terms, quote: Quote, side: Side, away: Decimal | None
    ) -> tuple[Decimal | None, Decimal | None]:
        """That far below and above the price at which an order of `side` closes."""
        if away is None:
            return None, None
        price = pricing.closing_price(terms, quote, side)
        return price - away, price + away

