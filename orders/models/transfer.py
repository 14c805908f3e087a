"""Transfers: every movement of money, from one account to another. The sum over all is zero by construction."""

from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    F,
    Index,
    Model,
    Q,
    SmallIntegerField,
    TextField,
    UniqueConstraint,
)

from accounts.models.columns import money
from copytrading.kernel.decimals import text
from orders.models.rules import whole


class Transfer(Model):
    """`amount` leaves `debit` and arrives at `credit`; the journal of `account` tells of it.

    Natural key: account, version, line.
    """

    account = CharField(max_length=40)
    version = BigIntegerField()
    line = SmallIntegerField()
    debit = CharField(max_length=40)
    credit = CharField(max_length=40)
    amount = money()
    currency = CharField(max_length=3)
    kind = CharField(max_length=12)
    reason = TextField(blank=True)
    order_id = CharField(max_length=48, blank=True)
    transfer_id = CharField(max_length=32, blank=True)
    at = DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            UniqueConstraint(fields=["account", "version", "line"], name="transfer_once"),
            whole("amount_positive", Q(amount__gt=0)),
            whole("two_accounts", ~Q(debit=F("credit"))),
        ]
        indexes = [
            Index(fields=["debit"], name="transfer_debit"),
            Index(fields=["credit"], name="transfer_credit"),
            Index(fields=["-at"], name="transfer_by_time"),
            Index(fields=["account", "-at"], name="transfer_of_account"),
            Index(fields=["kind", "-at"], name="transfer_of_kind"),
            Index(fields=["order_id"], condition=~Q(order_id=""), name="transfer_of_order"),
            Index(fields=["transfer_id"], condition=~Q(transfer_id=""), name="transfer_joined"),
        ]

    def __str__(self) -> str:
        return f"transfer {self.pk}: {self.kind}, {text(self.amount)} {self.currency}"
