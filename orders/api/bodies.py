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
from orders.rules.facts import PENDING_TYPES


def price_field(*, required: bool = True) -> PlainDecimalField:
    return PlainDecimalField(max_digits=10, max_decimals=10, required=required)


def lots_field(*, required: bool = True) -> PlainDecimalField:
    return PlainDecimalField(max_digits=12, max_decimals=8, required=required, reason=Reason.invalid_order_quantity)


class Body(StrictSerializer):
    """What every command may carry: a key that makes sending it again harmless."""

    idempotency_key = IdempotencyKeyField(required=False)

    @property
    def asked(self) -> dict[str, Any]:
        values: dict[str, Any] = self.validated_data
        return values

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Command:
        raise NotImplementedError

    def by(self, asker: Principal, account: AccountRef, key: str) -> dict[str, Any]:
        """What every command says: who asks what of which account."""
        return {"account": account, "principal": asker.name, "key": key, "staff": asker.deals}


class AccountBody(Body):
    """Names the account it is about."""

    user_type = AccountKindField()
    user_id = AccountIdField()

    @property
    def account(self) -> AccountRef:
        return AccountRef(self.asked["user_type"], self.asked["user_id"])


class OrderBody(AccountBody):
    """Names an order of the account."""

    order_id = OrderIdField()

    def by(self, asker: Principal, account: AccountRef, key: str) -> dict[str, Any]:
        if account_of(self.asked["order_id"]) != account:
            raise Refused(ORDER_NOT_FOUND)
        return {**super().by(asker, account, key), "order_id": self.asked["order_id"]}


class Execute(AccountBody):
    symbol = SymbolField()
    order_type = ChoiceField(["BUY", "SELL"], reason=Reason.invalid_order_type)
    order_quantity = lots_field()
    order_price = price_field(required=False)
    max_deviation_points = PlainDecimalField(max_digits=8, sign="not_negative", required=False)
    stop_loss = price_field(required=False)
    take_profit = price_field(required=False)
    sending_orders = RoutingField(required=False)

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


class Place(AccountBody):
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


class Modify(OrderBody):
    """Changes what it names and leaves the rest. `expires_at` null takes an expiry away."""

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
    def to_command(self, asker: Principal, account: AccountRef, key: str) -> CancelPending:
        return CancelPending(**self.by(asker, account, key))


class Close(OrderBody):
    """Without a quantity, all that is open."""

    order_quantity = lots_field(required=False)

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> CloseOrder:
        return CloseOrder(**self.by(asker, account, key), lots=self.asked.get("order_quantity"))


class CloseEvery(AccountBody):
    """Without a symbol, of all symbols."""

    symbol = SymbolField(required=False)

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> CloseAll:
        return CloseAll(**self.by(asker, account, key), symbol=self.asked.get("symbol"))


class AddStopLoss(OrderBody):
    stop_loss = price_field()

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="stop_loss", level=self.asked["stop_loss"])


class CancelStopLoss(OrderBody):
    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="stop_loss", level=None)


class AddTakeProfit(OrderBody):
    take_profit = price_field()

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="take_profit", level=self.asked["take_profit"])


class CancelTakeProfit(OrderBody):
    def to_command(self, asker: Principal, account: AccountRef, key: str) -> Protect:
        return Protect(**self.by(asker, account, key), kind="take_profit", level=None)


class Move(Body):
    """Money into or out of the account the path names. Only a correction may be negative, which takes out."""

    kind = ChoiceField(["deposit", "withdrawal", "correction", "credit_in", "credit_out"])
    amount = PlainDecimalField(max_decimals=8, sign="any")
    reason = TextField(max_length=200)

    def to_command(self, asker: Principal, account: AccountRef, key: str) -> MoveMoney:
        asked = self.asked
        return MoveMoney(
            **self.by(asker, account, key), kind=asked["kind"], amount=asked["amount"], reason=asked["reason"]
        )
