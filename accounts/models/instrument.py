"""What can be traded, whoever trades it."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import (
    PROTECT,
    CharField,
    F,
    ForeignKey,
    Func,
    JSONField,
    Model,
    PositiveIntegerField,
    PositiveSmallIntegerField,
    Q,
    TextChoices,
    Value,
)
from django.db.models.functions import Mod, NullIf
from django.db.models.lookups import Exact
from simple_history.models import HistoricalRecords

from accounts import hours
from accounts.models import columns
from accounts.models.columns import SYMBOL_PATTERN, between, not_negative, one_of, positive, rule, written_as
from accounts.models.currency import Currency


class InstrumentClass(TextChoices):
    FOREX = "forex"
    METAL = "metal"
    ENERGY = "energy"
    INDEX = "index"
    CRYPTO = "crypto"


def check_sessions(sessions: object) -> None:
    if problem := hours.problem_with(sessions):
        raise ValidationError(problem)


def check_zone(name: str) -> None:
    if problem := hours.problem_with_zone(name):
        raise ValidationError(problem)


def _whole_steps(lots: str) -> Q:
    """A multiple of lot_step; NullIf leaves a step of zero to the rule that forbids it."""
    return Q(Exact(Mod(lots, NullIf("lot_step", Value(Decimal(0)))), Value(Decimal(0))))


class Instrument(Model):
    """One instrument.

    Symbol, class, digits, tick, sizes and currencies never change once the row exists (a trigger
    refuses it): open exposure is kept as lots and cost, which mean nothing without them.
    """

    symbol = CharField(max_length=16, primary_key=True, help_text="Capital letters, digits, dot and underline.")
    description = CharField(max_length=64, blank=True, default="")
    instrument_class = CharField("class", max_length=8, choices=InstrumentClass.choices)
    digits = PositiveSmallIntegerField(help_text="Digits after the point of a price.")
    tick = columns.price(help_text="The smallest step of a price.")
    contract_size = columns.size(help_text="Units of one lot.")
    hedged_size = columns.size(
        blank=True,
        help_text="Units that margin of covered lots is counted with (mt5_hedged). Empty: the contract size.",
    )
    base_currency = ForeignKey(Currency, on_delete=PROTECT, related_name="+")
    profit_currency = ForeignKey(Currency, on_delete=PROTECT, related_name="+", help_text="The currency of its price.")
    margin_currency = ForeignKey(
        Currency, on_delete=PROTECT, related_name="+", help_text="Forex: the base currency; others: profit currency."
    )
    lot_min = columns.size()
    lot_max = columns.size()
    lot_step = columns.size()
    price_age_ms = PositiveIntegerField(
        "price age limit", default=10_000, help_text="Milliseconds after which a price is too old to trade on."
    )
    time_zone = CharField(max_length=64, default="America/New_York", validators=[check_zone])
    sessions = JSONField(
        "trading hours",
        default=list,
        blank=True,
        validators=[check_sessions],
        help_text="[start, end] minutes since Monday 00:00 in the time zone; none: the market never opens.",
    )

    history = HistoricalRecords()

    class Meta:
        ordering = ["symbol"]
        constraints = [
            written_as("symbol", SYMBOL_PATTERN, "2 to 16 of A-Z, 0-9, dot and underline, beginning with A-Z or 0-9."),
            one_of("instrument_class", InstrumentClass),
            between("digits", 0, 10),
            positive("tick"),
            rule(
                "tick_digits",
                Q(tick=Func("tick", "digits", function="ROUND")),
                "The tick has more digits than a price.",
            ),
            positive("contract_size"),
            not_negative("hedged_size"),
            positive("lot_min"),
            positive("lot_step"),
            positive("lot_max"),
            rule("lot_order", Q(lot_min__lte=F("lot_max")), "The smallest lot is above the largest."),
            rule("lot_min_step", _whole_steps("lot_min"), "The smallest lot is no multiple of the step."),
            rule("lot_max_step", _whole_steps("lot_max"), "The largest lot is no multiple of the step."),
            between("price_age_ms", 1, 86_400_000),
            written_as("time_zone", "^[A-Za-z0-9_+/-]+$", "Write a time zone such as America/New_York."),
            rule(
                "margin_currency_by_class",
                Q(instrument_class="forex", margin_currency=F("base_currency")) & ~Q(base_currency=F("profit_currency"))
                | ~Q(instrument_class="forex") & Q(margin_currency=F("profit_currency")),
                "Margin of forex is in the base currency, which is not the profit currency; other margin is in that.",
            ),
        ]

    def __str__(self) -> str:
        return self.symbol

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.hedged_size is None:
            self.hedged_size = self.contract_size
        super().save(*args, **kwargs)
