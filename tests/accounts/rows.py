"""Valid rows of every table, to be broken or read by tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import (
    ApiKey,
    AuditEntry,
    Currency,
    Group,
    GroupInstrument,
    Halt,
    Instrument,
    TradingAccount,
    User,
    model_of,
)
from copytrading.kernel.ids import LIVE

BEGUN = datetime(2026, 1, 5, 12, tzinfo=UTC)


def currency(code: str = "USD", digits: int = 2) -> Currency:
    return Currency.objects.get_or_create(code=code, defaults={"digits": digits})[0]


def user(username: str = "ann", **values: Any) -> User:
    return User.objects.get_or_create(username=username, defaults=values)[0]


def group(name: str = "retail", currency_code: str = "USD", **values: Any) -> Group:
    currency(currency_code)
    return Group.objects.get_or_create(name=name, defaults={"currency_id": currency_code, **values})[0]


def instrument(symbol: str = "EURUSD", **values: Any) -> Instrument:
    """Forex named by its currencies unless told otherwise."""
    base, profit = symbol[:3], symbol[3:6]
    defaults: dict[str, Any] = {
        "instrument_class": "forex",
        "digits": 5,
        "tick": Decimal("0.00001"),
        "contract_size": Decimal(100_000),
        "base_currency_id": base,
        "profit_currency_id": profit,
        "margin_currency_id": base,
        "lot_min": Decimal("0.01"),
        "lot_max": Decimal(100),
        "lot_step": Decimal("0.01"),
        "sessions": [[0, 6780], [9660, 10080]],
        **values,
    }
    for name in ("base_currency_id", "profit_currency_id", "margin_currency_id"):
        currency(defaults[name])
    return Instrument.objects.get_or_create(symbol=symbol, defaults=defaults)[0]


def offer(in_group: str = "retail", of_symbol: str = "EURUSD", **values: Any) -> GroupInstrument:
    made = {"spread_points": Decimal(2), "spread_point": Decimal("0.0001"), **values}
    return GroupInstrument.objects.create(group=group(in_group), instrument=instrument(of_symbol), **made)


def account(kind: str = LIVE, owner: str = "ann", in_group: str = "retail", **values: Any) -> TradingAccount:
    made: TradingAccount = model_of(kind).objects.create(owner=user(owner), group=group(in_group), **values)
    return made


def api_key(owner: str = "ann", **values: Any) -> ApiKey:
    made = {
        "user": user(owner),
        "name": "robot",
        "prefix": "abcd1234",
        "hash": "0" * 64,
        "scopes": ["read"],
        "created_at": BEGUN,
        "expires_at": BEGUN + timedelta(days=365),
        **values,
    }
    return ApiKey.objects.create(**made)


def audit_entry(**values: Any) -> AuditEntry:
    made = {"at": BEGUN, "principal": "user:1", "action": "open", "subject": "live:1", "outcome": "done", **values}
    return AuditEntry.objects.create(**made)


def halt(scope: str = "platform", **values: Any) -> Halt:
    made = {"scope": scope, "reason": "news", "set_by": "user:1", "set_at": BEGUN, **values}
    return Halt.objects.create(**made)
