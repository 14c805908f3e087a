"""What is asked (commands), what a venue answers (reports), and how a verb answers: frozen values, one class each.

The same `OpenOrder` comes from HTTP, the admin, a queue, a copy or a test.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Literal

from copytrading.kernel.ids import AccountRef, OrderId
from orders.rules.facts import OrderType, Quote, Side

LevelKind = Literal["price", "stop_loss", "take_profit"]
MoneyKind = Literal["deposit", "withdrawal", "correction", "credit_in", "credit_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`principal` asked for it ("user:3", "key:8", "system:pending_monitor"); `key` makes repeating it harmless.

    `staff` means the principal acts as the broker: account status does not bind it, and it may route orders.
    `reason` is why, in the principal's words; the journal keeps it.
    """

    verb: ClassVar[str]
    account: AccountRef
    principal: str
    key: str
    staff: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder(Command):
    verb = "open"
    symbol: str
    order_type: OrderType
    lots: Decimal
    order_price: Decimal | None = None
    max_deviation_points: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    sending_orders: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePending(Command):
    verb = "place"
    symbol: str
    order_type: OrderType
    lots: Decimal
    order_price: Decimal
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at_ms: int = 0
    sending_orders: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyPending(Command):
    """None leaves a value as it is. `expires_at_ms` 0 takes an expiry away."""

    verb = "modify"
    order_id: OrderId
    order_price: Decimal | None = None
    lots: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPending(Command):
    """`because` is "" when asked for, "expired" when its time has come."""

    verb = "cancel"
    order_id: OrderId
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseOrder(Command):
    """`lots` None closes all that is open."""

    verb = "close"
    order_id: OrderId
    lots: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAll(Command):
    """Closes every open order, of one symbol if `symbol` is given; one result an order."""

    verb = "close_all"
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect(Command):
    """Sets or replaces (`level`), or cancels (None), one order's stop loss or take profit."""

    verb = "protect"
    order_id: OrderId
    kind: Literal["stop_loss", "take_profit"]
    level: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire(Command):
    """A level was touched by `quote`: resting price, stop loss or take profit, in its setting `level_version`."""

    verb = "fire"
    order_id: OrderId
    kind: LevelKind
    level_version: int
    quote: Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveMoney(Command):
    """`amount` is positive, except for a correction, whose sign says which way it goes. Account currency."""

    verb = "money"
    kind: MoneyKind
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferBetween(Command):
    """Moves a positive amount from `account` to `destination`, which has the same currency."""

    verb = "transfer"
    destination: AccountRef
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure(Command):
    """Changes what an account is allowed. None leaves a value as it is."""

    verb = "configure"
    reason: str
    group: str | None = None
    leverage: int | None = None
    status: str | None = None
    sending_orders: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMargin(Command):
    """The margin monitor saw the account reach its margin-call level, or leave it."""

    verb = "margin_call"
    called: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What a venue says of one order: this many lots of this side at this price, now. `price` is the client's."""

    order_id: str
    entry: Literal["in", "out"]
    side: Side
    lots: Decimal
    price: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class Done:
    """A command was carried out, now or (`replayed`) when first sent. `answer` is JSON-ready, amounts as strings."""

    answer: dict[str, Any]
    command_id: str
    replayed: bool = False
