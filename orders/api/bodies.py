"""The bodies that ask for something, one class a path: shape only, then a command. Rules are asked later."""

from collections.abc import Mapping
from typing import Any

from accounts.access import ORDER_NOT_FOUND, Principal
from accounts.api.fields import (
    AccountIdField,
    AccountKindField,
    ChoiceField,
    IdempotencyKeyField,
    OrderIdField,
    PlainDecimalField,
    RoutingField,
    StrictSerializer,
    SymbolField,
    TextField,
    TimeField,
)
from accounts.api.problems import Refused
from copytrading.kernel.ids import AccountRef, account_of
from copytrading.kernel.rejections import Reason, Rejection
from orders.messages import (
    CancelPending,
    CloseAll,
    CloseOrder,
    Command,
    ModifyPending,
    MoveMoney,
    OpenOrder,
    PlacePending,
    Protect,
)
from orders.rules.facts import MARKET_TYPES, PENDING_TYPES


def price_field(*, required: bool = True) -> PlainDecimalField:
    return PlainDecimalField(max_digits=10, max_decimals=10, required=required)


def asked_price_field() -> PlainDecimalField:
    told = (
        "The price the client saw. With `max_deviation_points` an order that would fill worse than this by more than "
        "so many points is refused (`price_moved`); alone it is kept for the record and refuses nothing."
    )
    return PlainDecimalField(max_digits=10, max_decimals=10, required=False, help_text=told)


def deviation_field() -> PlainDecimalField:
    told = "How much worse than `order_price`, in points, the order may fill; only together with `order_price`."
    return PlainDecimalField(max_digits=8, sign="not_negative", required=False, help_text=told)


def lots_field(*, required: bool = True) -> PlainDecimalField:
    return PlainDecimalField(max_digits=12, max_decimals=8, required=required, reason=Reason.invalid_order_quantity)


class Body(StrictSerializer):
    """What every command carries: the account it is about, and perhaps a key that makes sending it again harmless."""

    user_type = AccountKindField()
    user_id = AccountIdField()
    idempotency_key = IdempotencyKeyField(required=False)

    @property
    def asked(self) -> dict[str, Any]:
        values: dict[str, Any] = self.validated_data
        return values

    @property
    def account(self) -> AccountRef:
        return AccountRef(self.asked["user_type"], self.asked["user_id"])

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Command:
        raise NotImplementedError

    def by(self, asker: Principal, account: AccountRef, key: str) -> dict[str, Any]:
        """What every command says: who asks what of which account."""
        return {"account": account, "principal": asker.name, "key": key, "staff": asker.deals}


class OrderBody(Body):
    """Names an order of the account."""

    order_id = OrderIdField()

    def by(self, asker: Principal, account: AccountRef, key: str) -> dict[str, Any]:
        if account_of(self.asked["order_id"]) != account:
            raise Refused(ORDER_NOT_FOUND)
        return {**super().by(asker, account, key), "order_id": self.asked["order_id"]}


class Execute(Body):
    """Open an order at the market. 201 when it is filled, 202 when it waits for the provider."""

    symbol = SymbolField()
    order_type = ChoiceField(MARKET_TYPES, reason=Reason.invalid_order_type)
    order_quantity = lots_field()
    order_price = asked_price_field()
    max_deviation_points = deviation_field()
    stop_loss = price_field(required=False)
    take_profit = price_field(required=False)
    sending_orders = RoutingField(required=False)

    def to_internal_value(self, data: Mapping[str, Any]) -> dict[str, Any]:
        values = super().to_internal_value(data)
        _require_asked_price(values)
        return values

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> OpenOrder:
        asked = self.asked
        return OpenOrder(
            **self.by(asker, account, key),
            symbol=asked["symbol"],
            order_type=asked["order_type"],
            lots=asked["order_quantity"],
            order_price=asked.get("order_price"),
            max_deviation_points=asked.get("max_deviation_points"),
            stop_loss=asked.get("stop_loss"),
            take_profit=asked.get("take_profit"),
            sending_orders=asked.get("sending_orders"),
        )


class Place(Body):
    """Place an order that rests until its price is touched."""

    symbol = SymbolField()
    order_type = ChoiceField(PENDING_TYPES, reason=Reason.invalid_order_type)
    order_quantity = lots_field()
    order_price = price_field()
    stop_loss = price_field(required=False)
    take_profit = price_field(required=False)
    expires_at = TimeField(required=False)
    sending_orders = RoutingField(required=False)

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> PlacePending:
        asked = self.asked
        return PlacePending(
            **self.by(asker, account, key),
            symbol=asked["symbol"],
            order_type=asked["order_type"],
            lots=asked["order_quantity"],
            order_price=asked["order_price"],
            stop_loss=asked.get("stop_loss"),
            take_profit=asked.get("take_profit"),
            expires_at_ms=asked.get("expires_at", 0),
            sending_orders=asked.get("sending_orders"),
        )


class StrategyOrder(Body):
    """Open an order of a strategy at the market, or place one that rests: all six order types."""

    symbol = SymbolField()
    order_type = ChoiceField([*MARKET_TYPES, *PENDING_TYPES], reason=Reason.invalid_order_type)
    order_quantity = lots_field()
    order_price = asked_price_field()
    max_deviation_points = deviation_field()
    stop_loss = price_field(required=False)
    take_profit = price_field(required=False)
    expires_at = TimeField(required=False)
    sending_orders = RoutingField(required=False)

    def to_internal_value(self, data: Mapping[str, Any]) -> dict[str, Any]:
        values = super().to_internal_value(data)
        rests = values["order_type"] in PENDING_TYPES
        if rests and "order_price" not in values:
            detail = f"A {values['order_type']} needs its price."
            raise Refused(Rejection(Reason.missing_fields, detail, {"order_price": "missing"}))
        odd = "max_deviation_points" if rests else "expires_at"
        if odd in values:
            detail = f"A {values['order_type']} has no {odd}."
            raise Refused(Rejection(Reason.invalid_fields, detail, {odd: "leave it out for this order type"}))
        _require_asked_price(values)
        return values

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Command:
        made = Place if self.asked["order_type"] in PENDING_TYPES else Execute
        return made.to_command(self, asker, account, key)  # type: ignore[arg-type]


class Modify(OrderBody):
    """Change a resting order: what is named, and nothing else. `expires_at` null takes an expiry away."""

    order_price = price_field(required=False)
    order_quantity = lots_field(required=False)
    stop_loss = price_field(required=False)
    take_profit = price_field(required=False)
    expires_at = TimeField(required=False, allow_null=True)

    _CHANGES = ("order_price", "order_quantity", "stop_loss", "take_profit", "expires_at")

    def to_internal_value(self, data: Mapping[str, Any]) -> dict[str, Any]:
        values = super().to_internal_value(data)
        if not any(name in values for name in self._CHANGES):
            detail = f"Name at least one of {', '.join(self._CHANGES)}."
            raise Refused(Rejection(Reason.missing_fields, detail, dict.fromkeys(self._CHANGES, "one of these")))
        return values

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> ModifyPending:
        asked = self.asked
        return ModifyPending(
            **self.by(asker, account, key),
            order_price=asked.get("order_price"),
            lots=asked.get("order_quantity"),
            stop_loss=asked.get("stop_loss"),
            take_profit=asked.get("take_profit"),
            expires_at_ms=(asked["expires_at"] or 0) if "expires_at" in asked else None,
        )


class Cancel(OrderBody):
    """Cancel a resting order."""

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> CancelPending:
        return CancelPending(**self.by(asker, account, key))


class Close(OrderBody):
    """Close an open order, in part or, without a quantity, whole."""

    order_quantity = lots_field(required=False)

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> CloseOrder:
        return CloseOrder(**self.by(asker, account, key), lots=self.asked.get("order_quantity"))


class CloseEvery(Body):
    """Close all open orders of an account, or those of one symbol. One result an order, also when some are refused."""

    symbol = SymbolField(required=False)

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> CloseAll:
        return CloseAll(**self.by(asker, account, key), symbol=self.asked.get("symbol"))


class AddStopLoss(OrderBody):
    """Set or replace an order's stop loss."""

    stop_loss = price_field()

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="stop_loss", level=self.asked["stop_loss"])


class CancelStopLoss(OrderBody):
    """Take an order's stop loss away."""

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="stop_loss", level=None)


class AddTakeProfit(OrderBody):
    """Set or replace an order's take profit."""

    take_profit = price_field()

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="take_profit", level=self.asked["take_profit"])


class CancelTakeProfit(OrderBody):
    """Take an order's take profit away."""

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="take_profit", level=None)


class Move(Body):
    """Move money or credit into or out of an account, with a reason. A negative correction takes out."""

    kind = ChoiceField(["deposit", "withdrawal", "correction", "credit_in", "credit_out"])
    amount = PlainDecimalField(max_decimals=8, sign="any")
    reason = TextField(max_length=200)

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> MoveMoney:
        asked = self.asked
        return MoveMoney(
            **self.by(asker, account, key), kind=asked["kind"], amount=asked["amount"], reason=asked["reason"]
        )


def _require_asked_price(values: Mapping[str, Any]) -> None:
    """A deviation from no price protects from nothing, and whoever sends it believes that it does."""
    if "max_deviation_points" in values and "order_price" not in values:
        detail = "max_deviation_points is counted from order_price; send both, or neither."
        raise Refused(Rejection(Reason.missing_fields, detail, {"order_price": "missing"}))


def given_by_path(body: type[Body], name: str, *names: str) -> type[Body]:
    """`body` for a path that names these fields already: they may be left out, and must agree if they are not."""
    fields = {field: type(body.declared()[field])(required=False) for field in names}
    return type(name, (body,), {**fields, "__doc__": body.__doc__, "__module__": __name__})
