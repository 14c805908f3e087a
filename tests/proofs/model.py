"""What must become of accounts that trade EURUSD, in plain Python and with arithmetic of its own.

Nothing of the project's rules is used here. An account is in USD, EURUSD has 100,000 to the lot, and of
two legs the larger takes the margin. For each verb `expect_` says why it is refused, or None, and `apply_`
makes it true.
"""

from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

D = Decimal
ZERO, CENT = D(0), D("0.01")
LOT = D(100_000)
#: Group -> (half of the markup, commission per lot each way).
GROUPS = {"retail": (D("0.0001"), D(7)), "prime": (D("0.00005"), D(3))}
#: Account status -> what its owner is told when he wants to open, or anything else.
OPENING = {"close_only": "account_close_only", "read_only": "account_read_only", "disabled": "account_disabled"}
ANYTHING = {"read_only": "account_read_only", "disabled": "account_disabled"}


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


@dataclass
class Order:
    """One order: what rests, what is open, and at what levels something happens to it."""

    type: str
    group: str
    lots: Decimal
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    price: Decimal | None = None
    status: str = "PENDING"
    open: Decimal = ZERO
    paid: Decimal | None = None
    margin: Decimal = ZERO
    settings: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.settings:
            given = {"stop_loss": self.stop_loss, "take_profit": self.take_profit}
            self.settings = {"price": 0} | {kind: int(level is not None) for kind, level in given.items()}

    @property
    def side(self) -> str:
        return self.type.partition("_")[0]

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def held(self) -> Decimal:
        return cents(self.margin * self.open / self.lots)

    def wrong_level(self, reference: Decimal) -> str | None:
        """A stop loss lies on the losing side of the reference, a take profit on the winning one."""
        if self.stop_loss is not None and (reference - self.stop_loss) * self.sign <= 0:
            return "invalid_stop_loss"
        if self.take_profit is not None and (self.take_profit - reference) * self.sign <= 0:
            return "invalid_take_profit"
        return None


@dataclass
class Account:
    """`deals` are (order, entry, lots, price, profit); `version` counts what became true."""

    balance: Decimal = ZERO
    group: str = "retail"
    leverage: int = 100
    status: str = "active"
    version: int = 1
    orders: dict[str, Order] = field(default_factory=dict)
    deals: list[tuple[str, str, Decimal, Decimal, Decimal]] = field(default_factory=list)

    def leg(self, side: str) -> tuple[Decimal, Decimal, Decimal]:
        """Lots, lots x price, margin."""
        mine = [order for order in self.orders.values() if order.side == side and order.paid is not None]
        lots = sum((order.open for order in mine), ZERO)
        cost = sum((order.open * (order.paid or ZERO) for order in mine), ZERO)
        return lots, cost, sum((order.held for order in mine), ZERO)

    @property
    def used(self) -> Decimal:
        return max(self.leg("BUY")[2], self.leg("SELL")[2])


class Model:
    """All accounts, by name, and one raw quote."""

    def __init__(self, names: list[str]) -> None:
        self.accounts = {name: Account() for name in names}
        self.bid, self.ask = D("1.1000"), D("1.1002")

    def expect(self, name: str, verb: str, values: dict[str, Any]) -> str:
        return getattr(self, f"expect_{verb}")(self.accounts[name], **values) or "done"

    def apply(self, name: str, verb: str, values: dict[str, Any], order_id: str = "") -> None:
        account = self.accounts[name]
        born = {"order_id": order_id} if verb in ("open", "place") else {}
        getattr(self, f"apply_{verb}")(account, **born, **values)
        account.version += 1

    def opens_at(self, account: Account, side: str) -> Decimal:
        half = GROUPS[account.group][0]
        return self.ask + half if side == "BUY" else self.bid - half

    def closes_at(self, account: Account, side: str) -> Decimal:
        return self.opens_at(account, "SELL" if side == "BUY" else "BUY")

    def free(self, account: Account) -> Decimal:
        (long, long_cost, _), (short, short_cost, _) = account.leg("BUY"), account.leg("SELL")
        floating = cents((long * self.closes_at(account, "BUY") - long_cost) * LOT)
        floating += cents((short_cost - short * self.closes_at(account, "SELL")) * LOT)
        return account.balance + floating - account.used

    def filled(self, account: Account, order: Order, price: Decimal) -> Account:
        """The account as it is once this order is open at this price."""
        commission = cents(GROUPS[account.group][1] * order.lots)
        margin = cents(order.lots * LOT * price / account.leverage)
        opened = replace(order, status="OPEN", open=order.lots, paid=price, margin=margin)
        return replace(account, balance=account.balance - commission, orders={**account.orders, "filled": opened})

    def fill(self, account: Account, order_id: str, order: Order, price: Decimal) -> None:
        after = self.filled(account, order, price)
        account.balance, account.orders[order_id] = after.balance, after.orders["filled"]
        account.deals.append((order_id, "in", order.lots, price, ZERO))

    def reduce(self, account: Account, order_id: str, lots: Decimal) -> None:
        order = account.orders[order_id]
        assert order.paid is not None
        price = self.closes_at(account, order.side)
        profit = cents((price - order.paid) * lots * LOT * order.sign)
        account.balance += profit - cents(GROUPS[order.group][1] * lots)
        order.open -= lots
        order.status = "OPEN" if order.open else "CLOSED"
        account.deals.append((order_id, "out", lots, price, profit))

    def can_rest(self, account: Account, order: Order) -> str | None:
        assert order.price is not None
        market, below = self.opens_at(account, order.side), order.type in ("BUY_LIMIT", "SELL_STOP")
        if not (order.price < market if below else order.price > market):
            return "invalid_price_side"
        if wrong := order.wrong_level(order.price):
            return wrong
        after = self.filled(account, order, order.price)
        left = self.free(account) - (after.used - account.used) - (account.balance - after.balance)
        return "insufficient_margin" if left < 0 else None

    def touched(self, account: Account, order: Order, kind: str) -> bool:
        if kind == "price":
            assert order.price is not None
            market, below = self.opens_at(account, order.side), order.type in ("BUY_LIMIT", "SELL_STOP")
            return market <= order.price if below else market >= order.price
        if kind == "take_profit" and order.stop_loss is not None and self.touched(account, order, "stop_loss"):
            return False
        level = order.stop_loss if kind == "stop_loss" else order.take_profit
        assert level is not None
        beyond = (self.closes_at(account, order.side) - level) * order.sign
        return beyond <= 0 if kind == "stop_loss" else beyond >= 0

    def expect_open(self, account: Account, order_type: str, lots: Decimal, **levels: Any) -> str | None:
        order = Order(order_type, account.group, lots, **levels)
        after = self.filled(account, order, self.opens_at(account, order.side))
        return (
            OPENING.get(account.status)
            or order.wrong_level(self.closes_at(account, order.side))
            or ("insufficient_margin" if self.free(after) < 0 else None)
        )

    def apply_open(
        self, account: Account, order_id: str, order_type: str, lots: Decimal, **levels: Decimal | None
    ) -> None:
        order = Order(order_type, account.group, lots, **levels)  # type: ignore[arg-type]
        self.fill(account, order_id, order, self.opens_at(account, order.side))

    def expect_place(self, account: Account, order_type: str, lots: Decimal, order_price: Decimal) -> str | None:
        order = Order(order_type, account.group, lots, price=order_price)
        return OPENING.get(account.status) or self.can_rest(account, order)

    def apply_place(
        self, account: Account, order_id: str, order_type: str, lots: Decimal, order_price: Decimal
    ) -> None:
        account.orders[order_id] = Order(order_type, account.group, lots, price=order_price)
        account.orders[order_id].settings["price"] = 1

    def expect_modify(self, account: Account, order_id: str, order_price: Decimal) -> str | None:
        order = account.orders[order_id]
        if order.status != "PENDING":
            return "order_not_pending"
        return OPENING.get(account.status) or self.can_rest(account, replace(order, price=order_price))

    def apply_modify(self, account: Account, order_id: str, order_price: Decimal) -> None:
        order = account.orders[order_id]
        order.price = order_price
        order.settings["price"] += 1

    def expect_cancel(self, account: Account, order_id: str) -> str | None:
        return ANYTHING.get(account.status) if account.orders[order_id].status == "PENDING" else "order_not_pending"

    def apply_cancel(self, account: Account, order_id: str) -> None:
        account.orders[order_id].status = "CANCELLED"

    def expect_close(self, account: Account, order_id: str, lots: Decimal | None) -> str | None:
        order = account.orders[order_id]
        if order.status != "OPEN":
            return "order_not_open"
        return "invalid_order_quantity" if lots is not None and lots > order.open else ANYTHING.get(account.status)

    def apply_close(self, account: Account, order_id: str, lots: Decimal | None) -> None:
        self.reduce(account, order_id, account.orders[order_id].open if lots is None else lots)

    def expect_protect(self, account: Account, order_id: str, kind: str, level: Decimal | None) -> str | None:
        order = account.orders[order_id]
        if order.status not in ("OPEN", "PENDING"):
            return "order_not_open"
        if refused := ANYTHING.get(account.status):
            return refused
        if level is None:
            return "stop_not_set" if getattr(order, kind) is None else None
        reference = order.price if order.status == "PENDING" else self.closes_at(account, order.side)
        assert reference is not None
        only: dict[str, Any] = {"stop_loss": None, "take_profit": None, kind: level}
        return replace(order, **only).wrong_level(reference)

    def apply_protect(self, account: Account, order_id: str, kind: str, level: Decimal | None) -> None:
        order = account.orders[order_id]
        setattr(order, kind, level)
        order.settings[kind] += 1

    def expect_fire(self, account: Account, order_id: str, kind: str, level_version: int) -> str | None:
        order = account.orders[order_id]
        there = order.status == "PENDING" if kind == "price" else order.status == "OPEN" and getattr(order, kind)
        if not there or order.settings[kind] != level_version:
            return "stop_not_set"
        return None if self.touched(account, order, kind) else "price_moved"

    def apply_fire(self, account: Account, order_id: str, kind: str, level_version: int) -> None:
        order = account.orders[order_id]
        if kind != "price":
            self.reduce(account, order_id, order.open)
        elif self.free(self.filled(account, order, self.opens_at(account, order.side))) < 0:
            order.status = "CANCELLED"
        else:
            order.group = account.group  # commission is that of the opening
            self.fill(account, order_id, order, self.opens_at(account, order.side))

    def expect_deposit(self, account: Account, amount: Decimal) -> None:
        return None

    def apply_deposit(self, account: Account, amount: Decimal) -> None:
        account.balance += amount

    def expect_withdrawal(self, account: Account, amount: Decimal) -> str | None:
        return "insufficient_funds" if amount > max(ZERO, min(account.balance, self.free(account))) else None

    def apply_withdrawal(self, account: Account, amount: Decimal) -> None:
        account.balance -= amount

    def expect_transfer(self, account: Account, destination: str, amount: Decimal) -> str | None:
        return ANYTHING.get(account.status) or self.expect_withdrawal(account, amount)

    def apply_transfer(self, account: Account, destination: str, amount: Decimal) -> None:
        account.balance -= amount

    def expect_configure(self, account: Account, **values: Any) -> None:
        return None

    def apply_configure(self, account: Account, **values: Any) -> None:
        for name, value in values.items():
            setattr(account, name, value)
