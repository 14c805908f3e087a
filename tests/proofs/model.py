"""What must become of accounts that trade EURUSD, in plain Python and with arithmetic of its own.

Nothing of the project's rules is used here. An account is in USD, EURUSD has 100,000 to the lot, and of
two legs the larger takes the margin. `expect` says how a command ends, "done" or a reason; `apply` makes
it true. Time is not modelled.
"""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

D = Decimal
CENT = D("0.01")
LOT = D(100_000)
#: Group -> (half of the markup, commission per lot each way).
GROUPS = {"retail": (D("0.0001"), D(7)), "prime": (D("0.00005"), D(3))}

Ask = tuple[str, dict]  # type: ignore[type-arg]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


@dataclass
class Lots:
    """One order: what rests, what is open, and at what levels something happens to it."""

    type: str
    status: str
    lots: Decimal
    open: Decimal = D(0)
    price: Decimal | None = None
    paid: Decimal | None = None
    margin: Decimal = D(0)
    levels: dict[str, Decimal | None] = field(default_factory=lambda: {"stop_loss": None, "take_profit": None})
    settings: dict[str, int] = field(default_factory=lambda: {"price": 0, "stop_loss": 0, "take_profit": 0})

    @property
    def side(self) -> str:
        return self.type.partition("_")[0]

    @property
    def held(self) -> Decimal:
        return cents(self.margin * self.open / self.lots)


@dataclass
class Account:
    """`deals` are (order, entry, lots, price, profit); `version` counts what became true."""

    balance: Decimal = D(0)
    group: str = "retail"
    leverage: int = 100
    status: str = "active"
    version: int = 1
    orders: dict[str, Lots] = field(default_factory=dict)
    deals: list[tuple[str, str, Decimal, Decimal, Decimal]] = field(default_factory=list)

    def leg(self, side: str) -> tuple[Decimal, Decimal, Decimal]:
        """Lots, lots x price, margin."""
        mine = [o for o in self.orders.values() if o.side == side and o.open]
        cost = sum((o.open * o.paid for o in mine if o.paid is not None), D(0))
        return sum((o.open for o in mine), D(0)), cost, sum((o.held for o in mine), D(0))

    @property
    def used(self) -> Decimal:
        return max(self.leg("BUY")[2], self.leg("SELL")[2])


class Model:
    """All accounts, by name, and one raw quote."""

    def __init__(self, names: list[str]) -> None:
        self.accounts = {name: Account() for name in names}
        self.bid, self.ask = D("1.1000"), D("1.1002")

    def buys_at(self, account: Account) -> Decimal:
        return self.ask + GROUPS[account.group][0]

    def sells_at(self, account: Account) -> Decimal:
        return self.bid - GROUPS[account.group][0]

    def opens_at(self, account: Account, side: str) -> Decimal:
        return self.buys_at(account) if side == "BUY" else self.sells_at(account)

    def closes_at(self, account: Account, side: str) -> Decimal:
        return self.sells_at(account) if side == "BUY" else self.buys_at(account)

    def free(self, account: Account) -> Decimal:
        long_lots, long_cost, _ = account.leg("BUY")
        short_lots, short_cost, _ = account.leg("SELL")
        floating = cents((long_lots * self.sells_at(account) - long_cost) * LOT)
        floating += cents((short_cost - short_lots * self.buys_at(account)) * LOT)
        return account.balance + floating - account.used

    def opened(self, account: Account, order: Lots, price: Decimal) -> Account:
        """The account as it would be with this order open at this price."""
        commission = cents(GROUPS[account.group][1] * order.lots)
        margin = cents(order.lots * LOT * price / account.leverage)
        filled = Lots(order.type, "OPEN", order.lots, order.lots, order.price, price, margin)
        return Account(account.balance - commission, account.group, account.leverage, orders={**account.orders, "new": filled})

    def touched(self, account: Account, order: Lots, kind: str) -> bool:
        bid, ask = self.sells_at(account), self.buys_at(account)
        if kind == "price":
            assert order.price is not None
            return {
                "BUY_LIMIT": ask <= order.price, "SELL_LIMIT": bid >= order.price,
                "BUY_STOP": ask >= order.price, "SELL_STOP": bid <= order.price,
            }[order.type]  # fmt: skip
        level, stop = order.levels[kind], order.levels["stop_loss"]
        assert level is not None
        market, down = (bid, kind == "stop_loss") if order.side == "BUY" else (ask, kind == "take_profit")
        stopped = stop is not None and (bid <= stop if order.side == "BUY" else ask >= stop)
        return (market <= level if down else market >= level) and not (kind == "take_profit" and stopped)


def wrong_level(side: str, reference: Decimal, stop: Decimal | None, take: Decimal | None) -> str | None:
    """A stop loss lies on the losing side of the reference, a take profit on the winning one."""
    sign = 1 if side == "BUY" else -1
    if stop is not None and (reference - stop) * sign <= 0:
        return "invalid_stop_loss"
    return "invalid_take_profit" if take is not None and (take - reference) * sign <= 0 else None


def wrong_side(model: Model, account: Account, order_type: str, price: Decimal) -> str | None:
    market = model.opens_at(account, order_type.partition("_")[0])
    below = order_type in ("BUY_LIMIT", "SELL_STOP")
    return None if (price < market if below else price > market) else "invalid_price_side"


REFUSED_OPENING = {
    "close_only": "account_close_only",
    "read_only": "account_read_only",
    "disabled": "account_disabled",
}
REFUSED = {name: reason for name, reason in REFUSED_OPENING.items() if name != "close_only"}
