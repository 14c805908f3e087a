"""What triggers guard: columns that never change, currencies of accounts, accounts that must stay, hours, the log."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts import hours
from copytrading.kernel import clock
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.ids import KINDS, AccountRef
from tests.accounts import rows
from tests.accounts.test_constraints import refused

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "EURUSD.m".upper()},
        {"instrument_class": "metal"},
        {"digits": 6},
        {"tick": Decimal("0.0001")},
        {"contract_size": Decimal(10_000)},
        {"hedged_size": Decimal(0)},
        {"base_currency_id": "GBP"},
        {"profit_currency_id": "GBP"},
        {"margin_currency_id": "GBP"},
    ],
)
def test_what_open_exposure_is_counted_in_never_changes(change: dict[str, Any]) -> None:
    rows.currency("GBP")
    (column,) = change
    refused(f"{column} of a row in accounts_instrument can't change", rows.instrument(), **change)


def test_other_terms_of_an_instrument_change() -> None:
    instrument = rows.instrument()
    instrument.lot_max, instrument.price_age_ms, instrument.tick = Decimal(50), 3000, Decimal("0.000010")
    instrument.save()
    instrument.refresh_from_db()
    assert (instrument.lot_max, instrument.price_age_ms) == (Decimal(50), 3000)


def test_names_and_currencies_are_permanent() -> None:
    rows.currency("EUR")
    refused("digits of a row in accounts_currency", rows.currency("USD"), digits=3)
    refused("name of a row in accounts_group", rows.group(), name="other")
    refused("currency_id of a row in accounts_group", rows.group(), currency_id="EUR")
    refused("hedging_mode of a row in accounts_group", rows.group(), hedging_mode="net")
    rows.group("other")
    rows.instrument("GBPUSD")
    refused("group_id of a row in accounts_groupinstrument", rows.offer(), group_id="other")
    refused("instrument_id of a row in accounts_groupinstrument", rows.offer("other"), instrument_id="GBPUSD")


def test_a_hedged_size_left_out_is_the_contract_size() -> None:
    assert rows.instrument().hedged_size == Decimal(100_000)
    assert rows.instrument("GBPUSD", hedged_size=Decimal(0)).hedged_size == Decimal(0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_is_in_its_groups_currency(kind: str) -> None:
    account = rows.account(kind)
    rows.group("euro", "EUR")
    assert account.currency == "USD"
    refused("an account in USD can't be in group euro", account, group_id="euro")
    refused("an account in EUR can't be in group retail", account, currency="EUR")
    type(account).objects.filter(pk=account.pk).update(group_id="euro", currency="EUR")
    with pytest.raises(IntegrityError, match="can't be in group"), transaction.atomic():
        rows.account(kind, currency="EUR")


def test_a_form_says_which_currency_to_use() -> None:
    account = rows.account()
    account.currency = "EUR"
    with pytest.raises(ValidationError, match="Group retail is in USD"):
        account.full_clean()


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_number_comes_from_the_id(kind: str) -> None:
    account = rows.account(kind)
    assert account.account_number == f"{KINDS[kind].upper()}{10_000_000 + account.pk}"
    assert account.ref == AccountRef(kind, account.pk)
    assert (account.balance, account.credit, account.recorded_version, account.book_ledger_id) == (ZERO, ZERO, 0, "")
    assert isinstance(account.balance, Decimal)


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_in_the_book_stays_and_keeps_its_owner(kind: str) -> None:
    account = rows.account(kind)
    refused("owner_id of a row", account, owner_id=rows.user("bob").pk)
    type(account).objects.filter(pk=account.pk).update(book_ledger_id="a1", book_entered_at=clock.now())
    with pytest.raises(IntegrityError, match="has entered the book"), transaction.atomic():
        account.delete()
    assert type(account).objects.filter(pk=account.pk).exists()


def test_an_account_that_never_entered_the_book_can_go() -> None:
    account = rows.account()
    account.delete()
    assert not type(account).objects.exists()


@pytest.mark.parametrize(
    ("sessions", "valid"),
    [
        ([], True),
        ([[0, 10080]], True),
        ([[0, 6780], [9660, 10080]], True),
        ([[0, 10], [10, 20]], True),
        ([[0, 10], [9, 20]], False),
        ([[10, 20], [0, 5]], False),
        ([[5, 5]], False),
        ([[6, 5]], False),
        ([[-1, 5]], False),
        ([[0, 10081]], False),
        ([[0, 1, 2]], False),
        ([[0]], False),
        ([0, 5], False),
        ([["0", "5"]], False),
        ([[0, 5.5]], False),
        ([[True, 5]], False),
        ([None], False),
        ({"a": [0, 5]}, False),
        ("always", False),
        (5, False),
    ],
)
def test_database_and_form_agree_on_sessions(sessions: object, valid: bool) -> None:
    instrument = rows.instrument()
    assert (hours.problem_with(sessions) is None) == valid
    if valid:
        type(instrument).objects.update(sessions=sessions)
    else:
        refused("instrument_sessions_valid", instrument, sessions=sessions)


def test_a_time_zone_must_exist() -> None:
    instrument = rows.instrument()
    instrument.time_zone = "Europe/Atlantis"
    with pytest.raises(ValidationError, match="'Europe/Atlantis' is no time zone"):
        instrument.full_clean()


def test_the_audit_log_only_grows() -> None:
    entry = rows.audit_entry(reason="asked by phone")
    for change in ({"reason": ""}, {"outcome": "refused"}, {"at": clock.now()}, {"principal": "user:2"}):
        refused("accounts_auditentry only grows", entry, **change)
    with pytest.raises(IntegrityError, match="accounts_auditentry only grows"), transaction.atomic():
        entry.delete()
    rows.audit_entry(reason="that was wrong")
    assert [each.reason for each in type(entry).objects.all()] == ["that was wrong", "asked by phone"]


def test_a_function_of_a_guard_leaves_nothing_behind() -> None:
    """Every trigger above is there once per table that needs it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2")
        named = ("permanent", "currency_of_group", "kept", "append_only")
        found = [row for row in cursor.fetchall() if row[1] in named]
    tables = ["accounts_currency", "accounts_group", "accounts_groupinstrument", "accounts_instrument"]
    accounts = ["copy_follower_accounts", "demo_users", "live_users", "strategy_provider_accounts"]
    assert [row for row in found if row[0] == "accounts_auditentry"] == [("accounts_auditentry", "append_only")]
    assert [row for row in found if row[0] in tables] == [(table, "permanent") for table in tables]
    assert [row for row in found if row[0] in accounts] == [
        (table, trigger) for table in accounts for trigger in ("currency_of_group", "kept", "permanent")
    ]
