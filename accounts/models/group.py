"""Groups of accounts, and what each instrument costs them."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db.models import (
    PROTECT,
    BooleanField,
    CharField,
    F,
    ForeignKey,
    IntegerChoices,
    Model,
    PositiveSmallIntegerField,
    Q,
    TextChoices,
    UniqueConstraint,
)
from simple_history.models import HistoricalRecords

from accounts.models import columns
from accounts.models.columns import GROUP_PATTERN, between, not_negative, number, one_of, positive, rule, written_as
from accounts.models.currency import Currency
from accounts.models.instrument import Instrument
from copytrading.kernel.decimals import ONE, ZERO

_LATER = "Stored; not charged yet."


class HedgingModeChoice(TextChoices):
    """How the margin of long and short lots of one symbol is put together."""

    LARGER_LEG = "larger_leg"
    SUM = "sum"
    NET = "net"
    MT5_HEDGED = "mt5_hedged", "MT5 hedged"


class CommissionKind(TextChoices):
    PER_LOT = "per_lot"
    PERCENT = "percent", "Percent of notional"


class CommissionTiming(TextChoices):
    BOTH = "both"
    ENTRY = "entry"
    EXIT = "exit"


class SwapKind(TextChoices):
    POINTS = "points", "Points a day"
    MONEY = "money", "Account currency per lot a day"
    PERCENT = "percent", "Percent a year"


class Weekday(IntegerChoices):
    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


class Group(Model):
    """What holds for every account in it. Name and currency never change: keys and balances are made of them."""

    name = CharField(max_length=32, primary_key=True, help_text="Small letters, digits, dash and underline.")
    currency = ForeignKey(Currency, on_delete=PROTECT, related_name="+")
    hedging_mode = CharField(max_length=12, choices=HedgingModeChoice.choices, default=HedgingModeChoice.LARGER_LEG)
    margin_call_level = columns.factor(default=Decimal(100), help_text="Percent of used margin, 100 means 100 %.")
    stop_out_level = columns.factor(default=Decimal(50), help_text="Percent of used margin.")
    commission_kind = CharField(max_length=8, choices=CommissionKind.choices, default=CommissionKind.PER_LOT)
    commission_rate = columns.factor(default=ZERO, help_text="Account currency per lot, or percent of notional.")
    commission_timing = CharField(max_length=8, choices=CommissionTiming.choices, default=CommissionTiming.BOTH)
    ignore_hours = BooleanField(default=False, help_text="Trade at any hour that has prices.")

    history = HistoricalRecords()

    class Meta:
        ordering = ["name"]
        constraints = [
            written_as(
                "name", GROUP_PATTERN, "1 to 32 of a-z, 0-9, dash and underline, beginning with one of a-z and 0-9."
            ),
            one_of("hedging_mode", HedgingModeChoice),
            rule(
                "level_order",
                Q(stop_out_level__gte=0, stop_out_level__lte=F("margin_call_level"), margin_call_level__lte=10_000),
                "The stop-out level lies from 0 to the margin call level, which is at most 10000.",
            ),
            one_of("commission_kind", CommissionKind),
            not_negative("commission_rate"),
            rule(
                "commission_percent",
                ~Q(commission_kind="percent") | Q(commission_rate__lte=100),
                "A commission is at most 100 percent of the notional.",
            ),
            one_of("commission_timing", CommissionTiming),
        ]

    def __str__(self) -> str:
        return self.name


class GroupInstrument(Model):
    """An instrument as a group trades it. Empty fields fall back to the instrument, or for commission to the group."""

    group = ForeignKey(Group, on_delete=PROTECT, related_name="instruments")
    instrument = ForeignKey(Instrument, on_delete=PROTECT, related_name="groups")
    spread_points = columns.factor(default=ZERO, help_text="Markup in points; half goes on the bid, half on the ask.")
    spread_point = columns.price(help_text="One point in price units; every setting in points counts these.")
    margin_factor = columns.factor(default=ONE, help_text="Multiplies the margin.")
    margin_rate = columns.factor(
        null=True, blank=True, help_text="Fraction of the notional (0.01 is 1 %) in place of 1 / leverage."
    )
    stops_level = columns.factor(default=ZERO, help_text="Points between price and stop loss or take profit.")
    lot_min = columns.size(null=True, blank=True, help_text="Empty: as the instrument.")
    lot_max = columns.size(null=True, blank=True, help_text="Empty: as the instrument.")
    commission_kind = CharField(max_length=8, choices=CommissionKind.choices, null=True, blank=True)
    commission_rate = columns.factor(null=True, blank=True, help_text="Empty: as the group. Give all three or none.")
    commission_timing = CharField(max_length=8, choices=CommissionTiming.choices, null=True, blank=True)
    swap_kind = CharField(max_length=8, choices=SwapKind.choices, default=SwapKind.POINTS, help_text=_LATER)
    swap_long = columns.factor(default=ZERO, help_text=_LATER)
    swap_short = columns.factor(default=ZERO, help_text=_LATER)
    triple_swap_day = PositiveSmallIntegerField(choices=Weekday.choices, default=Weekday.WEDNESDAY, help_text=_LATER)

    history = HistoricalRecords()

    class Meta:
        verbose_name = "offer"
        ordering = ["group", "instrument"]
        constraints = [
            UniqueConstraint(fields=["group", "instrument"], name="groupinstrument_once"),
            not_negative("spread_points"),
            positive("spread_point"),
            positive("margin_factor"),
            rule(
                "margin_rate_fraction",
                Q(margin_rate=None) | Q(margin_rate__gt=0, margin_rate__lte=1),
                "The margin rate is a fraction above 0 and at most 1: 0.01 is 1 %.",
            ),
            not_negative("stops_level"),
            positive("lot_min"),
            positive("lot_max"),
            rule("lot_order", Q(lot_min__lte=F("lot_max")), "The smallest lot is above the largest."),
            rule(
                "commission_whole",
                Q(commission_kind=None, commission_rate=None, commission_timing=None)
                | Q(commission_kind__isnull=False, commission_rate__isnull=False, commission_timing__isnull=False),
                "Give commission kind, rate and timing, or none of them.",
            ),
            one_of("commission_kind", CommissionKind),
            not_negative("commission_rate"),
            rule(
                "commission_percent",
                ~Q(commission_kind="percent") | Q(commission_rate__lte=100),
                "A commission is at most 100 percent of the notional.",
            ),
            one_of("commission_timing", CommissionTiming),
            one_of("swap_kind", SwapKind),
            number("swap_long"),
            number("swap_short"),
            between("triple_swap_day", Weekday.MONDAY.value, Weekday.SUNDAY.value),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} in {self.group_id}"

    def clean(self) -> None:
        """The group's lots must leave something to trade within the instrument's."""
        if not self.instrument_id:
            return
        instrument = self.instrument
        lot_min = instrument.lot_min if self.lot_min is None else self.lot_min
        lot_max = instrument.lot_max if self.lot_max is None else self.lot_max
        if lot_min > lot_max:
            raise ValidationError(f"No lots are left: the smallest would be {lot_min:f} and the largest {lot_max:f}.")
