"""Orders as the record knows them: the latest version of each, column for field as `orders.rules.facts.Order`."""

from typing import Any

from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    DecimalField,
    Index,
    IntegerField,
    Model,
    Q,
    TextField,
)

from accounts.models.columns import money, price, size
from orders.models.rules import one_of_texts, whole
from orders.rules.lifecycle import LIVE, TERMINAL


class Order(Model):
    """A time is the book's stamp of that name and `_ms`; NULL is its 0."""

    order_id = CharField(max_length=48, primary_key=True)
    account = CharField(max_length=40)
    symbol = CharField(max_length=16)
    order_type = CharField(max_length=10)
    side = CharField(max_length=4)
    status = CharField(max_length=14)
    flow = CharField(max_length=8)
    lots = size()
    open_lots = size()
    filled_lots = size()
    leaves_lots = size()
    order_price = price(null=True)
    price_version = IntegerField()
    price_since = DateTimeField(null=True)
    open_price = price(null=True)
    open_cost: "DecimalField[Any, Any]" = DecimalField(max_digits=38, decimal_places=20)
    close_price = price(null=True)
    stop_loss = price(null=True)
    stop_version = IntegerField()
    stop_since = DateTimeField(null=True)
    take_profit = price(null=True)
    take_version = IntegerField()
    take_since = DateTimeField(null=True)
    expires_at = DateTimeField(null=True)
    contract_size = size()
    margin = money()
    commission_kind = CharField(max_length=8)
    commission_rate = size()
    commission_timing = CharField(max_length=8)
    commission = money()
    profit = money()
    swap = money()
    reason = TextField(blank=True)
    principal = CharField(max_length=64)
    created_at = DateTimeField(null=True)
    opened_at = DateTimeField(null=True)
    closed_at = DateTimeField(null=True)
    version = BigIntegerField()

    class Meta:
        ordering = ["-created_at", "order_id"]
        indexes = [
            Index(fields=["account", "-created_at"], name="order_of_account"),
            Index(fields=["account"], condition=Q(status__in=sorted(LIVE)), name="order_live"),
            Index(fields=["symbol", "-created_at"], name="order_of_symbol"),
            Index(fields=["-created_at", "order_id"], name="order_by_time"),
            Index(fields=["status", "-created_at"], name="order_of_status"),
            Index(fields=["principal", "-created_at"], name="order_of_principal"),
            # What most orders are is found by time; these are for what few are.
            Index(
                fields=["order_type", "-created_at"],
                condition=Q(order_type__in=["BUY_LIMIT", "BUY_STOP", "SELL_LIMIT", "SELL_STOP"]),
                name="order_of_pending_type",
            ),
            Index(fields=["-created_at"], condition=Q(flow="provider"), name="order_of_provider"),
        ]
        constraints = [
            one_of_texts("status", sorted(LIVE | TERMINAL)),
            one_of_texts("side", ["BUY", "SELL"]),
            one_of_texts("flow", ["local", "provider"]),
            whole("lots_add_up", Q(open_lots__gte=0) & Q(leaves_lots__gte=0) & Q(lots__gt=0)),
            whole("terminal_is_flat", Q(status__in=sorted(LIVE)) | Q(open_lots=0, leaves_lots=0)),
        ]

    def __str__(self) -> str:
        return f"order {self.order_id}"
