"""Demo data: a small broker that can be tried at once. Pure tables, and `seed`, which writes what is missing.

Sizes, ticks and hours are those common among FX/CFD brokers. Money is not put in here: every
balance comes from a deposit, so the caller sends OPENING_DEPOSITS through the money verb.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from accounts import catalogue, hours
from accounts.models import (
    Currency,
    Group,
    GroupInstrument,
    Instrument,
    InstrumentClass,
    Role,
    Routing,
    TradingAccount,
    User,
    model_of,
)
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE, STRATEGY_PROVIDER

DEMO_GROUP = "demo"
STANDARD_GROUP = "standard"

CURRENCIES: Mapping[str, int] = MappingProxyType(
    {"USD": 2, "EUR": 2, "JPY": 0, "GBP": 2, "CHF": 2, "AUD": 2, "NZD": 2, "CAD": 2}
)

USERS: Mapping[str, Role] = MappingProxyType(
    {
        "admin": Role.ADMINISTRATOR,
        "dealer": Role.DEALER,
        "support": Role.SUPPORT,
        "trader": Role.TRADER,
        "strategist": Role.STRATEGIST,
        "autotrader": Role.TRADER,
    }
)


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """`key` is what the caller knows it by. It is the owner's account number `place` of its kind, from 0."""

    key: str
    kind: str
    owner: str
    group: str
    sending_orders: str
    deposit: Decimal
    place: int = 0


AUTOTRADER = "autotrader-demo"

ACCOUNTS = (
    DemoAccount("trader-live-rock", LIVE, "trader", DEMO_GROUP, Routing.ROCK, Decimal(10_000)),
    DemoAccount("trader-live-barclays", LIVE, "trader", STANDARD_GROUP, Routing.BARCLAYS, Decimal(10_000), place=1),
    DemoAccount("trader-demo", DEMO, "trader", DEMO_GROUP, "", Decimal(50_000)),
    DemoAccount("strategist-provider-rock", STRATEGY_PROVIDER, "strategist", DEMO_GROUP, Routing.ROCK, Decimal(25_000)),
    DemoAccount("strategist-provider", STRATEGY_PROVIDER, "strategist", STANDARD_GROUP, "", Decimal(25_000), place=1),
    DemoAccount("trader-follower-rock", COPY_FOLLOWER, "trader", DEMO_GROUP, Routing.ROCK, Decimal(5_000)),
    DemoAccount("trader-follower", COPY_FOLLOWER, "trader", STANDARD_GROUP, "", Decimal(5_000), place=1),
    DemoAccount(AUTOTRADER, DEMO, "autotrader", DEMO_GROUP, "", Decimal(100_000)),
)

#: Account key -> amount in account currency.
OPENING_DEPOSITS: Mapping[str, Decimal] = MappingProxyType({account.key: account.deposit for account in ACCOUNTS})

GROUPS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        DEMO_GROUP: {"currency_id": "USD", "ignore_hours": True},
        STANDARD_GROUP: {"currency_id": "USD", "commission_rate": Decimal("3.5")},
    }
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What instruments of one make have in common. `hours` are in `time_zone`; spread and margin rate the groups'."""

    instrument_class: InstrumentClass
    contract_size: int
    digits: int
    point: str
    spread_points: str
    lot_max: int = 100
    lot_step: str = "0.01"
    margin_rate: str | None = None
    time_zone: str = "America/New_York"
    hours: str = "Sun 17:00-Fri 17:00"
    price_age_ms: int = 60_000
    commission_free: bool = False


def _daily(*, opens: str, closes: str) -> str:
    """Sunday evening to Friday with a break each day."""
    days = hours.DAYS
    return ", ".join(f"{days[day - 1]} {opens}-{days[day]} {closes}" for day in range(5))


_MAJOR = Shape(InstrumentClass.FOREX, 100_000, 5, "0.0001", "0.6")
_CROSS = Shape(InstrumentClass.FOREX, 100_000, 5, "0.0001", "1.2")
_YEN_MAJOR = Shape(InstrumentClass.FOREX, 100_000, 3, "0.01", "0.6")
_YEN_CROSS = Shape(InstrumentClass.FOREX, 100_000, 3, "0.01", "1.4")
_BREAK = _daily(opens="18:00", closes="17:00")
_GOLD = Shape(InstrumentClass.METAL, 100, 2, "0.01", "20", lot_max=50, hours=_BREAK)
_OIL = Shape(
    InstrumentClass.ENERGY, 1_000, 2, "0.01", "3", lot_max=50, margin_rate="0.1", hours=_BREAK, commission_free=True
)
_US_INDEX = Shape(
    InstrumentClass.INDEX, 10, 1, "0.1", "5", lot_step="0.1", margin_rate="0.05", hours=_BREAK, commission_free=True
)
_DE_INDEX = Shape(
    InstrumentClass.INDEX, 10, 1, "0.1", "10", lot_step="0.1", margin_rate="0.05",
    time_zone="Europe/Berlin", commission_free=True,
    hours=", ".join(f"{day} 01:10-{day} 22:00" for day in hours.DAYS[:5]),
)  # fmt: skip
_CRYPTO = Shape(
    InstrumentClass.CRYPTO, 1, 2, "0.01", "1500", lot_max=20, margin_rate="0.5", time_zone="Etc/UTC", hours="always",
    commission_free=True,
)  # fmt: skip
_ETHER = Shape(
    InstrumentClass.CRYPTO, 10, 2, "0.01", "120", lot_max=50, margin_rate="0.5", time_zone="Etc/UTC", hours="always",
    commission_free=True,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoInstrument:
    symbol: str
    description: str
    base_currency: str
    profit_currency: str
    shape: Shape


INSTRUMENTS = (
    DemoInstrument("EURUSD", "Euro / US dollar", "EUR", "USD", _MAJOR),
    DemoInstrument("GBPUSD", "Pound / US dollar", "GBP", "USD", _MAJOR),
    DemoInstrument("USDJPY", "US dollar / yen", "USD", "JPY", _YEN_MAJOR),
    DemoInstrument("USDCHF", "US dollar / Swiss franc", "USD", "CHF", _MAJOR),
    DemoInstrument("AUDUSD", "Australian dollar / US dollar", "AUD", "USD", _MAJOR),
    DemoInstrument("NZDUSD", "New Zealand dollar / US dollar", "NZD", "USD", _MAJOR),
    DemoInstrument("USDCAD", "US dollar / Canadian dollar", "USD", "CAD", _MAJOR),
    DemoInstrument("EURGBP", "Euro / pound", "EUR", "GBP", _CROSS),
    DemoInstrument("EURJPY", "Euro / yen", "EUR", "JPY", _YEN_CROSS),
    DemoInstrument("GBPJPY", "Pound / yen", "GBP", "JPY", _YEN_CROSS),
    DemoInstrument("EURCHF", "Euro / Swiss franc", "EUR", "CHF", _CROSS),
    DemoInstrument("CHFJPY", "Swiss franc / yen", "CHF", "JPY", _YEN_CROSS),
    DemoInstrument("AUDJPY", "Australian dollar / yen", "AUD", "JPY", _YEN_CROSS),
    DemoInstrument("NZDJPY", "New Zealand dollar / yen", "NZD", "JPY", _YEN_CROSS),
    DemoInstrument("XAUUSD", "Gold, troy ounces", "USD", "USD", _GOLD),
    DemoInstrument("USOIL", "WTI crude oil, barrels", "USD", "USD", _OIL),
    DemoInstrument("US500", "US 500 index", "USD", "USD", _US_INDEX),
    DemoInstrument("GER40", "Germany 40 index", "EUR", "EUR", _DE_INDEX),
    DemoInstrument("BTCUSD", "Bitcoin", "USD", "USD", _CRYPTO),
    DemoInstrument("ETHUSD", "Ether, tens", "USD", "USD", _ETHER),
)


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demo consists of now, whenever it was made: users by name, accounts by key."""

    users: Mapping[str, User]
    accounts: Mapping[str, TradingAccount]


@transaction.atomic
def seed(password: str, *, anew: bool = False) -> Seeded:
    """Writes what is missing and leaves the rest as it is. `anew` gives the password to users of before as well."""
    _add_terms()
    users = _users(password, anew)
    accounts = {account.key: _account(account, users[account.owner]) for account in ACCOUNTS}
    catalogue.announce_change()
    return Seeded(users, accounts)


def _add_terms() -> None:
    for code, digits in CURRENCIES.items():
        Currency.objects.get_or_create(code=code, defaults={"digits": digits})
    for each in INSTRUMENTS:
        Instrument.objects.get_or_create(symbol=each.symbol, defaults=_instrument(each))
    for name, terms in GROUPS.items():
        Group.objects.get_or_create(name=name, defaults=dict(terms))
        for each in INSTRUMENTS:
            offer = _offer(each.shape, name)
            GroupInstrument.objects.get_or_create(group_id=name, instrument_id=each.symbol, defaults=offer)


def _instrument(each: DemoInstrument) -> dict[str, Any]:
    shape = each.shape
    forex = shape.instrument_class == InstrumentClass.FOREX
    return {
        "description": each.description,
        "instrument_class": shape.instrument_class,
        "digits": shape.digits,
        "tick": Decimal(1).scaleb(-shape.digits),
        "contract_size": Decimal(shape.contract_size),
        "base_currency_id": each.base_currency,
        "profit_currency_id": each.profit_currency,
        "margin_currency_id": each.base_currency if forex else each.profit_currency,
        "lot_min": Decimal(shape.lot_step),
        "lot_max": Decimal(shape.lot_max),
        "lot_step": Decimal(shape.lot_step),
        "price_age_ms": shape.price_age_ms,
        "time_zone": shape.time_zone,
        "sessions": hours.parse(shape.hours),
    }


def _offer(shape: Shape, group: str) -> dict[str, Any]:
    offer: dict[str, Any] = {
        "spread_points": Decimal(shape.spread_points),
        "spread_point": Decimal(shape.point),
        "margin_rate": None if shape.margin_rate is None else Decimal(shape.margin_rate),
        "swap_long": Decimal("-0.6"),
        "swap_short": Decimal("-0.2"),
    }
    if group == STANDARD_GROUP and shape.commission_free:
        offer |= {"commission_kind": "per_lot", "commission_rate": Decimal(0), "commission_timing": "both"}
    return offer


def _users(password: str, anew: bool) -> dict[str, User]:
    """One slow hash for all: they share the password anyway."""
    known = {user.username: user for user in User.objects.filter(username__in=USERS)}
    if not anew and len(known) == len(USERS):
        return known
    first = next(iter(known.values()), None)
    encoded = first.password if first and check_password(password, first.password) else make_password(password)
    for name, role in USERS.items():
        if name not in known:
            known[name] = User(username=name, role=role, is_superuser=role == Role.ADMINISTRATOR)
        elif not anew or known[name].password == encoded:
            continue
        known[name].password = encoded
        known[name].save()
    return known


def _account(account: DemoAccount, owner: User) -> TradingAccount:
    accounts = model_of(account.kind).objects
    found = list(accounts.filter(owner=owner).order_by("id")[account.place : account.place + 1])
    if found:
        return found[0]
    return accounts.create(owner=owner, group_id=account.group, sending_orders=account.sending_orders)
