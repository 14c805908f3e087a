"""Trading accounts: four tables of one shape.

The book holds an account's live state; a row here is who owns it, how it began, and a mirror of
what the recorder has seen. Once an account is in the book only the recorder writes the columns
of `RECORDED`; people change them through the configure and money verbs.
"""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import (
    PROTECT,
    BigIntegerField,
    BooleanField,
    CharField,
    DateTimeField,
    F,
    ForeignKey,
    GeneratedField,
    Index,
    Manager,
    Model,
    PositiveIntegerField,
    Q,
    QuerySet,
    TextChoices,
    Value,
)
from django.db.models.functions import Cast, Concat

from accounts.models import columns
from accounts.models.columns import CURRENCY_PATTERN, between, not_negative, number, one_of, rule, written_as
from accounts.models.group import Group
from accounts.models.user import User
from copytrading.kernel import clock
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, FIRST_NUMBER, KINDS, LIVE, STRATEGY_PROVIDER, AccountRef

#: Written by the recorder alone once the row exists.
RECORDED = (
    "group", "leverage", "currency", "sending_orders", "status", "balance", "credit",
    "recorded_version", "margin_called", "book_ledger_id", "book_entered_at",
)  # fmt: skip


class AccountStatus(TextChoices):
    """Binds what the owner asks for; triggers, stop-out, settlement and staff always go through."""

    ACTIVE = "active"
    CLOSE_ONLY = "close_only"
    READ_ONLY = "read_only"
    DISABLED = "disabled"


class Routing(TextChoices):
    """`sending_orders`: with the account's kind it decides the flow of an order."""

    DEFAULT = "", "Default of the kind"
    ROCK = "rock", "rock (local)"
    BARCLAYS = "barclays", "barclays (provider)"


def _account_number(kind: str) -> GeneratedField:
    """`AccountRef.number`, made by the database from the id, so that nobody types or repeats one."""
    number_of_id = Cast(F("id") + Value(FIRST_NUMBER), CharField())
    return GeneratedField(
        expression=Concat(Value(KINDS[kind].upper()), number_of_id),
        output_field=CharField(max_length=24),
        db_persist=True,
        unique=True,
    )


class TradingAccount(Model):
    """What the four kinds share. Money is in `currency`, the group's; a new account has none until it is deposited."""

    kind: ClassVar[str]
    account_number: Any
    objects: ClassVar[Manager[Any]] = Manager()

    owner = ForeignKey(User, on_delete=PROTECT)
    group = ForeignKey(Group, on_delete=PROTECT)
    leverage = PositiveIntegerField(default=100, help_text="1 to 5000.")
    currency = CharField(max_length=3, blank=True, help_text="Taken from the group.")
    sending_orders = CharField(max_length=8, choices=Routing.choices, default=Routing.DEFAULT, blank=True)
    status = CharField(max_length=10, choices=AccountStatus.choices, default=AccountStatus.ACTIVE)
    balance = columns.money(default=ZERO)
    credit = columns.money(default=ZERO)
    recorded_version = BigIntegerField(default=0, help_text="The last commit the recorder has seen.")
    margin_called = BooleanField(default=False)
    book_ledger_id = CharField(max_length=64, blank=True, default="", help_text="Empty: never entered the book.")
    book_entered_at = DateTimeField(null=True, blank=True)
    created_at = DateTimeField(default=clock.now, editable=False)

    class Meta:
        abstract = True
        ordering = ["id"]
        indexes = [Index(fields=["id"], condition=Q(margin_called=True), name="%(class)s_called")]
        constraints = [
            between("leverage", 1, 5000),
            written_as("currency", CURRENCY_PATTERN, "A currency is three capital letters, such as USD."),
            one_of("sending_orders", Routing),
            one_of("status", AccountStatus),
            number("balance"),
            not_negative("credit"),
            rule("recorded_version_not_negative", Q(recorded_version__gte=0), "A version is never below zero."),
            rule(
                "book_entry_whole",
                Q(book_ledger_id="", book_entered_at=None, recorded_version=0)
                | ~Q(book_ledger_id="") & Q(book_entered_at__isnull=False),
                "The entry into the book has both a ledger id and a time, and comes before any recorded version.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.account_number)

    @property
    def ref(self) -> AccountRef:
        return AccountRef(self.kind, self.pk)

    def clean(self) -> None:
        if self.group_id and self.currency not in ("", self.group.currency_id):
            message = f"Group {self.group_id} is in {self.group.currency_id}; use that currency or another group."
            raise ValidationError({"currency": message})

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.currency:
            self.currency = self.group.currency_id
        super().save(*args, **kwargs)


class LiveAccount(TradingAccount):
    kind = LIVE
    account_number = _account_number(LIVE)

    class Meta(TradingAccount.Meta):
        db_table = "live_users"


class DemoAccount(TradingAccount):
    kind = DEMO
    account_number = _account_number(DEMO)

    class Meta(TradingAccount.Meta):
        db_table = "demo_users"


class StrategyProviderAccount(TradingAccount):
    kind = STRATEGY_PROVIDER
    account_number = _account_number(STRATEGY_PROVIDER)

    class Meta(TradingAccount.Meta):
        db_table = "strategy_provider_accounts"


class CopyFollowerAccount(TradingAccount):
    kind = COPY_FOLLOWER
    account_number = _account_number(COPY_FOLLOWER)

    class Meta(TradingAccount.Meta):
        db_table = "copy_follower_accounts"


ACCOUNT_MODELS: dict[str, type[TradingAccount]] = {
    model.kind: model for model in (LiveAccount, DemoAccount, StrategyProviderAccount, CopyFollowerAccount)
}


def model_of(kind: str) -> type[TradingAccount]:
    """The table of a kind. Raises KeyError for what is none of the four."""
    return ACCOUNT_MODELS[kind]


def table_of(kind: str) -> str:
    """What the table of a kind is called in PostgreSQL."""
    return str(model_of(kind)._meta.db_table)  # noqa: SLF001  Django's own way to the name


def rows_of(kind: str) -> "QuerySet[Any]":
    """All accounts of a kind."""
    return model_of(kind).objects.all()
