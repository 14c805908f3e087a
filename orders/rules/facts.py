"""The values that rules read and give back. All frozen; a change is a new value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from accounts.terms import Catalogue, GroupTerms, Terms
from copytrading.kernel.decimals import ZERO

Side = Literal["BUY", "SELL"]
OrderType = Literal["BUY", "SELL", "BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP"]
Status = Literal["QUEUED", "PENDING_QUEUED", "PENDING", "OPEN", "CLOSED", "CANCELLED", "REJECTED"]
Flow = Literal["local", "provider"]

PENDING_TYPES: tuple[OrderType, ...] = ("BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP")


def side_of(order_type: OrderType) -> Side:
    return "BUY" if order_type.startswith("BUY") else "SELL"


def opposite(side: Side) -> Side:
    return "SELL" if side == "BUY" else "BUY"


@dataclass(frozen=True, slots=True)
class Quote:
    """Raw bid and ask of one instrument. `stamp_ms`, and every `now_ms` beside it, is the market instance's TIME."""

    symbol: str
    bid: Decimal
    ask: Decimal
    stamp_ms: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Market:
    """Everything about prices that one decision is made with, read in one attempt."""

    now_ms: int
    quotes: dict[str, Quote]


@dataclass(frozen=True, slots=True)
class Exposure:
    """An account's open lots of one symbol. Cost is the sum of lots x open price; margin is in account currency."""

    long_lots: Decimal = ZERO
    long_cost: Decimal = ZERO
    long_margin: Decimal = ZERO
    short_lots: Decimal = ZERO
    short_cost: Decimal = ZERO
    short_margin: Decimal = ZERO

    @property
    def flat(self) -> bool:
        return self.long_lots.is_zero() and self.short_lots.is_zero()

    def moved(self, side: Side, lots: Decimal, cost: Decimal, margin: Decimal) -> "Exposure":
        """With signed amounts added to one leg."""
        if side == "BUY":
            return Exposure(
                self.long_lots + lots,
                self.long_cost + cost,
                self.long_margin + margin,
                self.short_lots,
                self.short_cost,
                self.short_margin,
            )
        return Exposure(
            self.long_lots,
            self.long_cost,
            self.long_margin,
            self.short_lots + lots,
            self.short_cost + cost,
            self.short_margin + margin,
        )


@dataclass(frozen=True, slots=True)
class Portfolio:
    """An account's money and exposure, in account currency. `version` counts its commits; 0 is not yet in the book."""

    version: int
    ledger_id: str
    balance: Decimal = ZERO
    credit: Decimal = ZERO
    used_margin: Decimal = ZERO
    reserved_margin: Decimal = ZERO
    margin_called: bool = False
    exposures: dict[str, Exposure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """What an account is allowed and how it is routed. Changed by `verbs.configure` alone."""

    group: str
    leverage: int
    currency: str
    status: str
    sending_orders: str
    owner: int


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the book holds it: every field a trader may see. `user_holdings:{...}` has exactly these fields.

    `lots` is what was ordered, `open_lots` what is open now, `filled_lots` what was ever filled,
    `leaves_lots` what may still fill. `margin` belongs to all `filled_lots` and never changes; the
    share that is in use is `orders.rules.margin.margin_of_rest`. `open_cost` is the sum of lots x price
    of the lots open now. `stop_version` and `take_version`
    count the settings of each level (and `price_version` those of a resting price), so that a
    trigger fires the level it saw; `stop_since_ms`, `take_since_ms` and `price_since_ms` say from which
    quotes on it may fire, in market time. Money is in account currency; stamps are milliseconds, 0 for never.
    """

    order_id: str
    account: str
    symbol: str
    order_type: OrderType
    side: Side
    status: Status
    flow: Flow
    lots: Decimal
    open_lots: Decimal = ZERO
    filled_lots: Decimal = ZERO
    leaves_lots: Decimal = ZERO
    order_price: Decimal | None = None
    price_version: int = 0
    price_since_ms: int = 0
    open_price: Decimal | None = None
    open_cost: Decimal = ZERO
    close_price: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_version: int = 0
    stop_since_ms: int = 0
    take_profit: Decimal | None = None
    take_version: int = 0
    take_since_ms: int = 0
    expires_at_ms: int = 0
    contract_size: Decimal = ZERO
    margin: Decimal = ZERO
    commission_kind: str = "per_lot"
    commission_rate: Decimal = ZERO
    commission_timing: str = "both"
    commission: Decimal = ZERO
    profit: Decimal = ZERO
    swap: Decimal = ZERO
    reason: str = ""
    principal: str = ""
    created_at_ms: int = 0
    opened_at_ms: int = 0
    closed_at_ms: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Deal:
    """One fill. Profit, commission and swap are signed, in account currency: what they did to the balance."""

    order_id: str
    symbol: str
    side: Side
    entry: Literal["in", "out"]
    lots: Decimal
    price: Decimal
    profit: Decimal
    commission: Decimal
    swap: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement of money: `amount` (positive) leaves `debit` and arrives at `credit`.

    An account is named `live:17`, a house account `house:<name>:<currency>`. `transfer_id` joins
    the two halves of a movement between accounts; it is "" for all others.
    """

    debit: str
    credit: str
    amount: Decimal
    currency: str
    kind: str
    reason: str = ""
    order_id: str = ""
    transfer_id: str = ""


@dataclass(frozen=True, slots=True)
class Valuation:
    """An account at one moment's closing prices, in account currency. `level` is percent, None without margin."""

    equity: Decimal
    floating: Decimal
    used_margin: Decimal
    reserved_margin: Decimal
    free_margin: Decimal
    level: Decimal | None


@dataclass(frozen=True, slots=True)
class Desk:
    """What one decision about one account is made with: its configuration, all terms of its group, and prices.

    Everything was read in the same attempt; a retry reads it all again.
    """

    config: Config
    group: GroupTerms
    terms: Mapping[str, Terms]
    catalogue: Catalogue
    market: Market

    @property
    def digits(self) -> int:
        """Digits that money of this account is rounded to."""
        return self.catalogue.currency_digits[self.config.currency]
