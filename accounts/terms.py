"""What an account may trade and at what price: frozen values, no database.

A *point*, wherever a setting is counted in points (`spread_points`, `stops_level`,
`max_deviation_points`), is the group instrument's `spread_point` in price units.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

HedgingMode = Literal["larger_leg", "sum", "net", "mt5_hedged"]


@dataclass(frozen=True, slots=True)
class Commission:
    """`rate` is account currency per lot (`per_lot`) or percent of notional (`percent`); charged at `timing`."""

    kind: Literal["per_lot", "percent"]
    rate: Decimal
    timing: Literal["both", "entry", "exit"]


@dataclass(frozen=True, slots=True)
class TradingHours:
    """Weekly sessions in `time_zone`: (start, end) in minutes since Monday 00:00, end exclusive, start < end <= 10080.

    No sessions at all means the market never opens; (0, 10080) is always.
    """

    time_zone: str
    sessions: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """An instrument as one group trades it: the instrument's own values with the group's laid over them."""

    group: str
    symbol: str
    instrument_class: Literal["forex", "metal", "energy", "index", "crypto"]
    digits: int
    tick: Decimal
    contract_size: Decimal
    hedged_size: Decimal
    base_currency: str
    profit_currency: str
    margin_currency: str
    lot_min: Decimal
    lot_max: Decimal
    lot_step: Decimal
    price_age_ms: int
    hours: TradingHours
    ignore_hours: bool
    spread_points: Decimal
    spread_point: Decimal
    commission: Commission
    margin_factor: Decimal
    margin_rate: Decimal | None
    stops_level: Decimal


@dataclass(frozen=True, slots=True)
class GroupTerms:
    """What holds for a whole account of the group. Levels are percent of margin, 100 means 100 %."""

    name: str
    currency: str
    hedging_mode: HedgingMode
    margin_call_level: Decimal
    stop_out_level: Decimal
    ignore_hours: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All terms of one epoch. Read whole, replaced whole, so that one decision never mixes two epochs."""

    epoch: int
    groups: Mapping[str, GroupTerms]
    #: (group, symbol) -> terms; a pair that is missing is not offered.
    terms: Mapping[tuple[str, str], Terms]
    #: (base currency, profit currency) -> symbol, of the forex instruments: the pairs money is converted with.
    pairs: Mapping[tuple[str, str], str]
    #: currency -> digits money in it is rounded to.
    currency_digits: Mapping[str, int]
    #: symbol -> age limit of its quotes in milliseconds, and the hours during which that limit counts.
    price_age_ms: Mapping[str, int]
    hours: Mapping[str, TradingHours]
