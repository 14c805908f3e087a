"""Deals: one row a fill, never changed."""

from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    Index,
    Model,
    Q,
    SmallIntegerField,
    UniqueConstraint,
)

from accounts.models.columns import money, price, size
from copytrading.kernel.decimals import text
from orders.models.rules import one_of_texts, whole


class Deal(Model):
    """Profit, commission and swap are signed: what they did to the balance. Natural key: account, version, line."""

    account = CharField(max_length=40)
    version = BigIntegerField()
    line = SmallIntegerField()
    order_id = CharField(max_length=48)
    symbol = CharField(max_length=16)
    side = CharField(max_length=4)
    entry = CharField(max_length=3)
    lots = size()
    price = price()
    profit = money()
    commission = money()
    swap = money()
    at = DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            UniqueConstraint(fields=["account", "version", "line"], name="deal_once"),
            one_of_texts("side", ["BUY", "SELL"]),
            one_of_texts("entry", ["in", "out"]),
            whole("something_traded", Q(lots__gt=0)),
        ]
        indexes = [
            Index(fields=["order_id"], name="deal_of_order"),
            Index(fields=["-at"], name="deal_by_time"),
            Index(fields=["account", "-at"], name="deal_of_account"),
            Index(fields=["symbol", "-at"], name="deal_of_symbol"),
        ]

    def __str__(self) -> str:
        return f"deal {self.pk}: {self.side} {text(self.lots)} {self.symbol} at {text(self.price)}, {self.entry}"
