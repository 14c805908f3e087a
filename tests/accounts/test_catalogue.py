"""Terms as one value: what it is put together from, when it is read again, and what happens without PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import catalogue
from accounts.models import Group, Instrument
from accounts.terms import Commission, GroupTerms, Terms, TradingHours
from copytrading.kernel.errors import LedgerUnavailable
from tests.accounts import rows


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    catalogue.forget()
    yield
    catalogue.forget()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What listeners were told, with no listener but the test's own."""
    told: list[str] = []
    monkeypatch.setattr(catalogue, "_listeners", [])
    catalogue.on_change(lambda: told.append("changed"))
    return told


@pytest.fixture
def cut_off(transactional_db: None) -> Iterator[Callable[[bool], None]]:
    """Leads this thread's connection to where no PostgreSQL listens, and back."""
    host = connection.settings_dict["HOST"]

    def cut(off: bool) -> None:
        connection.close()
        connection.settings_dict["HOST"] = "/nowhere" if off else host

    yield cut
    cut(False)


@pytest.mark.django_db
def test_terms_are_the_instruments_with_the_groups_laid_over() -> None:
    rows.group(hedging_mode="net", margin_call_level=Decimal(120), commission_rate=Decimal("3.5"), ignore_hours=True)
    rows.offer(lot_min=Decimal("0.1"), margin_rate=Decimal("0.0333333"), stops_level=Decimal(5))
    found = catalogue.current(7)
    assert found.epoch == 7
    assert found.groups == {"retail": GroupTerms("retail", "USD", "net", Decimal(120), Decimal(50), True)}
    assert found.terms == {
        ("retail", "EURUSD"): Terms(
            group="retail",
            symbol="EURUSD",
            instrument_class="forex",
            digits=5,
            tick=Decimal("0.00001"),
            contract_size=Decimal(100_000),
            hedged_size=Decimal(100_000),
            base_currency="EUR",
            profit_currency="USD",
            margin_currency="EUR",
            lot_min=Decimal("0.1"),
            lot_max=Decimal(100),
            lot_step=Decimal("0.01"),
            price_age_ms=10_000,
            hours=TradingHours("America/New_York", ((0, 6780), (9660, 10080))),
            ignore_hours=True,
            spread_points=Decimal(2),
            spread_point=Decimal("0.0001"),
            commission=Commission("per_lot", Decimal("3.5"), "both"),
            margin_factor=Decimal(1),
            margin_rate=Decimal("0.0333333"),
            stops_level=Decimal(5),
        )
    }
    assert found.currency_digits == {"EUR": 2, "USD": 2}
    assert found.price_age_ms == {"EURUSD": 10_000}
    assert found.hours == {"EURUSD": TradingHours("America/New_York", ((0, 6780), (9660, 10080)))}


@pytest.mark.django_db
def test_numbers_carry_no_zeros_of_their_column() -> None:
    rows.offer()
    terms = catalogue.current(1).terms["retail", "EURUSD"]
    assert [str(number) for number in (terms.contract_size, terms.tick, terms.lot_min, terms.margin_factor)] == [
        "100000",
        "0.00001",
        "0.01",
        "1",
    ]


@pytest.mark.django_db
def test_commission_of_the_offer_wins_also_when_it_is_free() -> None:
    rows.group(commission_rate=Decimal(7))
    rows.offer(commission_kind="percent", commission_rate=Decimal(0), commission_timing="entry")
    rows.offer(of_symbol="GBPUSD")
    terms = catalogue.current(1).terms
    assert terms["retail", "EURUSD"].commission == Commission("percent", Decimal(0), "entry")
    assert terms["retail", "GBPUSD"].commission == Commission("per_lot", Decimal(7), "both")


@pytest.mark.django_db
def test_what_no_group_offers_still_has_a_price_age_and_makes_a_pair() -> None:
    rows.instrument("USDJPY", price_age_ms=500)
    gold = {"instrument_class": "metal", "base_currency_id": "XAU", "margin_currency_id": "USD"}
    rows.instrument("XAUUSD", **gold)
    found = catalogue.current(1)
    assert (found.terms, found.groups) == ({}, {})
    assert found.price_age_ms == {"USDJPY": 500, "XAUUSD": 10_000}
    assert found.pairs == {("USD", "JPY"): "USDJPY"}


@pytest.mark.django_db
def test_of_two_instruments_of_a_pair_the_shorter_name_gives_the_rate() -> None:
    for symbol in ("EURUSD.B", "EURUSD", "EURUSD.A"):
        rows.instrument(symbol)
    assert catalogue.current(1).pairs == {("EUR", "USD"): "EURUSD"}


@pytest.mark.django_db
def test_an_empty_database_is_an_empty_catalogue() -> None:
    assert catalogue.current(0).terms == {}


@pytest.mark.django_db
def test_one_statement_reads_all_and_an_epoch_is_read_once() -> None:
    rows.offer()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        first = catalogue.current(1)
        assert catalogue.current(1) is first
    assert len(queries) == 1


@pytest.mark.django_db
def test_another_epoch_is_read_again() -> None:
    rows.group()
    assert catalogue.current(1).groups["retail"].stop_out_level == 50
    Group.objects.update(stop_out_level=30)
    assert catalogue.current(1).groups["retail"].stop_out_level == 50
    assert catalogue.current(2).groups["retail"].stop_out_level == 30


@pytest.mark.django_db
def test_an_old_one_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rows.group()
    catalogue.current(1)
    Group.objects.update(stop_out_level=30)
    monkeypatch.setattr(catalogue, "MAX_AGE_S", 0)
    assert catalogue.current(1).groups["retail"].stop_out_level == 30


def test_without_postgresql_the_same_epoch_goes_on(
    cut_off: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.instrument()
    kept = catalogue.current(1)
    Instrument.objects.update(price_age_ms=500)
    monkeypatch.setattr(catalogue, "MAX_AGE_S", 0)
    cut_off(True)
    assert catalogue.current(1) is kept
    cut_off(False)
    # It failed a moment ago, so it isn't tried yet ...
    monkeypatch.setattr(catalogue, "RETRY_S", 1000)
    assert catalogue.current(1) is kept
    # ... and is once that moment has passed.
    monkeypatch.setattr(catalogue, "RETRY_S", 0)
    assert catalogue.current(1).price_age_ms == {"EURUSD": 500}


def test_without_postgresql_another_epoch_is_refused(
    cut_off: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "RETRY_S", 0)
    catalogue.current(1)
    cut_off(True)
    with pytest.raises(LedgerUnavailable, match="Terms of epoch 2 can't be read: PostgreSQL can't be reached"):
        catalogue.current(2)
    assert catalogue.current(1).epoch == 1
    cut_off(False)
    assert catalogue.current(2).epoch == 2


def test_without_postgresql_and_with_nothing_kept_it_is_refused(cut_off: Callable[[bool], None]) -> None:
    cut_off(True)
    with pytest.raises(LedgerUnavailable):
        catalogue.current(1)
    cut_off(False)
    with pytest.raises(LedgerUnavailable):  # within RETRY_S it is not tried again
        catalogue.current(1)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_is_replaced() -> None:
    catalogue.current(1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (mine,) = cursor.fetchone() or (0,)

    def terminate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [mine])
        connection.close()

    with ThreadPoolExecutor(1) as other:
        other.submit(terminate).result()
    assert catalogue.current(2).epoch == 2


@pytest.mark.django_db(transaction=True)
def test_threads_at_once_read_once() -> None:
    rows.offer()

    def read(_: int) -> int:
        try:
            return id(catalogue.current(1))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(read, range(64)))) == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_is_told_when_it_is_committed(heard: list[str]) -> None:
    with transaction.atomic():
        catalogue.announce_change()
        assert heard == []
    assert heard == ["changed"]


@pytest.mark.django_db(transaction=True)
def test_a_change_rolled_back_is_not_told(heard: list[str]) -> None:
    with transaction.atomic():
        catalogue.announce_change()
        transaction.set_rollback(True)
    assert heard == []


@pytest.mark.django_db(transaction=True)
def test_a_listener_that_fails_spoils_neither_the_change_nor_the_next_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def fail() -> None:
        raise ConnectionError("ledger is away")

    monkeypatch.setattr(catalogue, "_listeners", [])
    for listener in (fail, fail, lambda: told.append("changed")):
        catalogue.on_change(listener)
    with transaction.atomic():
        rows.group()
        catalogue.announce_change()
    assert told == ["changed"]
    assert Group.objects.filter(name="retail").exists()
