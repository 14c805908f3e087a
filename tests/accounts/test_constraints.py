"""Every rule of the database, broken through the database."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import CheckConstraint, Model
from django.db.models.expressions import RawSQL

from accounts.models import ACCOUNT_MODELS, model_of
from accounts.models.columns import GROUP_PATTERN, SYMBOL_PATTERN
from copytrading.kernel.ids import KINDS, is_group, is_symbol
from tests.accounts import rows

pytestmark = pytest.mark.django_db

# Django writes no NaN, raw SQL could.
NAN = RawSQL("'NaN'::numeric", [])
LATER = rows.BEGUN + timedelta(days=1)
BEFORE = rows.BEGUN - timedelta(days=1)

Make = Callable[[], Model]
Change = Mapping[str, Any]

# A CHECK's name, the row it is broken on, and what breaks it.
BROKEN: list[tuple[str, Make, Change]] = [
    ("user_role_known", rows.user, {"role": "owner"}),
    ("user_staff_by_role", rows.user, {"is_staff": True}),
    ("user_staff_by_role", rows.user, {"role": "dealer"}),
    ("user_superuser_role", rows.user, {"is_superuser": True}),
    ("apikey_prefix_pattern", rows.api_key, {"prefix": "ABCD1234"}),
    ("apikey_prefix_pattern", rows.api_key, {"prefix": "abcd123"}),
    ("apikey_hash_pattern", rows.api_key, {"hash": "0" * 63}),
    ("apikey_hash_pattern", rows.api_key, {"hash": "G" * 64}),
    ("apikey_scopes_known", rows.api_key, {"scopes": ["read", "root"]}),
    ("apikey_scopes_known", rows.api_key, {"scopes": []}),
    ("apikey_name_given", rows.api_key, {"name": ""}),
    ("apikey_expires_later", rows.api_key, {"expires_at": rows.BEGUN}),
    ("auditentry_action_given", rows.audit_entry, {"action": ""}),
    ("auditentry_outcome_given", rows.audit_entry, {"outcome": ""}),
    ("currency_code_pattern", lambda: rows.currency("XTS"), {"code": "usd"}),
    ("currency_code_pattern", lambda: rows.currency("XTS"), {"code": "US"}),
    ("currency_digits_range", lambda: rows.currency("XTS"), {"digits": 9}),
    ("group_name_pattern", rows.group, {"name": "Retail"}),
    ("group_name_pattern", rows.group, {"name": "retail\n"}),
    ("group_hedging_mode_known", rows.group, {"hedging_mode": "none"}),
    ("group_level_order", rows.group, {"stop_out_level": Decimal("100.01")}),
    ("group_level_order", rows.group, {"stop_out_level": Decimal("-0.01")}),
    ("group_level_order", rows.group, {"margin_call_level": NAN}),
    ("group_commission_kind_known", rows.group, {"commission_kind": "per_deal"}),
    ("group_commission_rate_not_negative", rows.group, {"commission_rate": Decimal("-0.01")}),
    ("group_commission_rate_not_negative", rows.group, {"commission_rate": NAN}),
    ("group_commission_percent", rows.group, {"commission_kind": "percent", "commission_rate": Decimal(101)}),
    ("group_commission_timing_known", rows.group, {"commission_timing": "never"}),
    ("instrument_symbol_pattern", rows.instrument, {"symbol": "EUR/USD"}),
    ("instrument_symbol_pattern", rows.instrument, {"symbol": "E"}),
    ("instrument_instrument_class_known", rows.instrument, {"instrument_class": "stock"}),
    ("instrument_digits_range", rows.instrument, {"digits": 11}),
    ("instrument_tick_positive", rows.instrument, {"tick": Decimal(0)}),
    ("instrument_tick_positive", rows.instrument, {"tick": NAN}),
    ("instrument_tick_digits", rows.instrument, {"tick": Decimal("0.000001")}),
    ("instrument_contract_size_positive", rows.instrument, {"contract_size": Decimal(0)}),
    ("instrument_hedged_size_not_negative", rows.instrument, {"hedged_size": Decimal(-1)}),
    ("instrument_lot_min_positive", rows.instrument, {"lot_min": Decimal(0)}),
    ("instrument_lot_step_positive", rows.instrument, {"lot_step": Decimal(0)}),
    ("instrument_lot_max_positive", rows.instrument, {"lot_max": NAN}),
    ("instrument_lot_order", rows.instrument, {"lot_min": Decimal(101)}),
    ("instrument_lot_min_step", rows.instrument, {"lot_min": Decimal("0.015")}),
    ("instrument_lot_max_step", rows.instrument, {"lot_max": Decimal("99.999")}),
    ("instrument_price_age_ms_range", rows.instrument, {"price_age_ms": 0}),
    ("instrument_price_age_ms_range", rows.instrument, {"price_age_ms": 86_400_001}),
    ("instrument_time_zone_pattern", rows.instrument, {"time_zone": ""}),
    ("instrument_margin_currency_by_class", rows.instrument, {"margin_currency_id": "USD"}),
    ("instrument_margin_currency_by_class", rows.instrument, {"profit_currency_id": "EUR"}),
    ("instrument_margin_currency_by_class", rows.instrument, {"instrument_class": "index"}),
    ("instrument_sessions_valid", rows.instrument, {"sessions": {"always": True}}),
    ("groupinstrument_spread_points_not_negative", rows.offer, {"spread_points": Decimal("-0.1")}),
    ("groupinstrument_spread_point_positive", rows.offer, {"spread_point": Decimal(0)}),
    ("groupinstrument_margin_factor_positive", rows.offer, {"margin_factor": Decimal(0)}),
    ("groupinstrument_margin_rate_fraction", rows.offer, {"margin_rate": Decimal(0)}),
    ("groupinstrument_margin_rate_fraction", rows.offer, {"margin_rate": Decimal("1.01")}),
    ("groupinstrument_margin_rate_fraction", rows.offer, {"margin_rate": NAN}),
    ("groupinstrument_stops_level_not_negative", rows.offer, {"stops_level": Decimal(-1)}),
    ("groupinstrument_lot_min_positive", rows.offer, {"lot_min": Decimal(0)}),
    ("groupinstrument_lot_max_positive", rows.offer, {"lot_max": Decimal(0)}),
    ("groupinstrument_lot_order", rows.offer, {"lot_min": Decimal(2), "lot_max": Decimal(1)}),
    ("groupinstrument_commission_whole", rows.offer, {"commission_rate": Decimal(1)}),
    (
        "groupinstrument_commission_kind_known",
        rows.offer,
        {"commission_kind": "free", "commission_rate": Decimal(1), "commission_timing": "both"},
    ),
    (
        "groupinstrument_commission_rate_not_negative",
        rows.offer,
        {"commission_kind": "per_lot", "commission_rate": Decimal(-1), "commission_timing": "both"},
    ),
    (
        "groupinstrument_commission_percent",
        rows.offer,
        {"commission_kind": "percent", "commission_rate": Decimal("100.1"), "commission_timing": "both"},
    ),
    (
        "groupinstrument_commission_timing_known",
        rows.offer,
        {"commission_kind": "per_lot", "commission_rate": Decimal(1), "commission_timing": "never"},
    ),
    ("groupinstrument_swap_kind_known", rows.offer, {"swap_kind": "none"}),
    ("groupinstrument_swap_long_number", rows.offer, {"swap_long": NAN}),
    ("groupinstrument_swap_short_number", rows.offer, {"swap_short": NAN}),
    ("groupinstrument_triple_swap_day_range", rows.offer, {"triple_swap_day": 7}),
    ("halt_scope_pattern", rows.halt, {"scope": "everything"}),
    ("halt_scope_pattern", rows.halt, {"scope": "group:Retail"}),
    ("halt_scope_pattern", rows.halt, {"scope": "instrument:eurusd"}),
    ("halt_reason_given", rows.halt, {"reason": ""}),
    ("halt_set_by_given", rows.halt, {"set_by": ""}),
    ("halt_until_later", rows.halt, {"until": rows.BEGUN}),
    ("halt_lifted_whole", rows.halt, {"lifted_at": LATER}),
    ("halt_lifted_whole", rows.halt, {"lifted_by": "user:1"}),
    ("halt_lifted_whole", rows.halt, {"lifted_at": BEFORE, "lifted_by": "user:1"}),
]

# The same for each kind of account; names lack the kind.
BROKEN_ACCOUNT: list[tuple[str, Change]] = [
    ("leverage_range", {"leverage": 0}),
    ("leverage_range", {"leverage": 5001}),
    ("currency_pattern", {"currency": "usd"}),
    ("sending_orders_known", {"sending_orders": "ROCK"}),
    ("status_known", {"status": "closed"}),
    ("balance_number", {"balance": NAN}),
    ("credit_not_negative", {"credit": Decimal("-0.01")}),
    (
        "recorded_version_not_negative",
        {"recorded_version": -1, "book_ledger_id": "a1", "book_entered_at": LATER},
    ),
    ("book_entry_whole", {"recorded_version": 1}),
    ("book_entry_whole", {"book_ledger_id": "a1"}),
    ("book_entry_whole", {"book_entered_at": LATER}),
]
UNIQUE: list[tuple[str, Callable[[], object]]] = [
    ("groupinstrument_once", rows.offer),
    ("halt_one_per_scope", rows.halt),
    ("accounts_apikey_prefix", lambda: rows.api_key(hash="1" * 64)),
    ("accounts_apikey_hash", lambda: rows.api_key(prefix="efgh5678")),
]


def refused(by: str, row: Model, **change: Any) -> None:
    """The update fails with this constraint or trigger, and leaves the row as it was."""
    before = type(row)._base_manager.filter(pk=row.pk).values().get()
    with pytest.raises(IntegrityError, match=by), transaction.atomic():
        type(row)._base_manager.filter(pk=row.pk).update(**change)
    assert type(row)._base_manager.filter(pk=row.pk).values().get() == before


@pytest.fixture
def without_permanence() -> None:
    """Rows and columns that can't change are made wrong too, to see that they could not be created so."""
    with connection.cursor() as cursor:
        for table in ("currency", "group", "instrument", "groupinstrument"):
            cursor.execute(f"ALTER TABLE accounts_{table} DISABLE TRIGGER permanent")
        cursor.execute("ALTER TABLE accounts_auditentry DISABLE TRIGGER append_only")


@pytest.mark.parametrize(("by", "make", "change"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_a_row_can_not_break_a_rule(by: str, make: Make, change: Change, without_permanence: None) -> None:
    rows.currency("EUR")
    refused(f'"{by}"', make(), **change)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("by", "change"), BROKEN_ACCOUNT)
def test_an_account_can_not_break_a_rule(kind: str, by: str, change: Change) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {model_of(kind)._meta.db_table} DISABLE TRIGGER currency_of_group")
    refused(f'"{kind.replace("_", "")}account_{by}"', rows.account(kind), **change)


@pytest.mark.parametrize(("by", "make"), UNIQUE)
def test_a_second_row_is_refused(by: str, make: Callable[[], object]) -> None:
    make_first = {"accounts_apikey_prefix": rows.api_key, "accounts_apikey_hash": rows.api_key}.get(by, make)
    make_first()
    with pytest.raises(IntegrityError, match=by), transaction.atomic():
        make()


def test_every_check_is_broken_above() -> None:
    declared = {
        constraint.name
        for model in apps.get_app_config("accounts").get_models()
        for constraint in model._meta.constraints
        if isinstance(constraint, CheckConstraint)
    }
    accounts = {f"{model._meta.model_name}_{by}" for by, _ in BROKEN_ACCOUNT for model in ACCOUNT_MODELS.values()}
    assert {by for by, _, _ in BROKEN} | accounts == declared | {"instrument_sessions_valid"}


def test_a_lifted_halt_makes_room_for_the_next() -> None:
    first = rows.halt("instrument:EURUSD")
    first.lifted_at, first.lifted_by = LATER, "user:2"
    first.save()
    assert rows.halt("instrument:EURUSD").pk != first.pk


@pytest.mark.parametrize(
    "name",
    [
        "EURUSD",
        "US500",
        "EURUSD.m",
        "EURUSD.M",
        "A",
        "A.",
        ".A",
        "_A",
        "A_B",
        "A" * 16,
        "A" * 17,
        "EÜR",
        "EU R",
        "EURUSD\n",
        "",
    ],
)
def test_database_and_kernel_agree_on_symbols(name: str) -> None:
    assert _matches(name, SYMBOL_PATTERN) == is_symbol(name)


@pytest.mark.parametrize("name", ["demo", "d", "d-1_x", "-d", "_d", "D", "d" * 32, "d" * 33, "d\n", "dé", "1", ""])
def test_database_and_kernel_agree_on_groups(name: str) -> None:
    assert _matches(name, GROUP_PATTERN) == is_group(name)


def _matches(name: str, pattern: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s ~ %s", [name, pattern])
        row = cursor.fetchone()
    assert row is not None
    return bool(row[0])
