"""The demo broker."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import catalogue, demo
from accounts.models import Group, Instrument, User, model_of
from copytrading.kernel.ids import KINDS

pytestmark = pytest.mark.django_db


def test_there_is_something_of_everything() -> None:
    seeded = demo.seed("open-sesame")
    assert {name: user.role for name, user in seeded.users.items()} == {
        "admin": "administrator",
        "dealer": "dealer",
        "support": "support",
        "trader": "trader",
        "strategist": "strategist",
        "autotrader": "trader",
    }
    assert [name for name, user in seeded.users.items() if user.is_superuser] == ["admin"]
    assert all(user.check_password("open-sesame") for user in seeded.users.values())
    assert {account.kind for account in seeded.accounts.values()} == set(KINDS)
    assert {account.sending_orders for account in seeded.accounts.values()} == {"", "rock", "barclays"}
    assert set(seeded.accounts) == set(demo.OPENING_DEPOSITS)
    assert seeded.accounts[demo.AUTOTRADER].owner.username == "autotrader"


def test_what_people_try_first_trades_on_any_day() -> None:
    accounts = demo.seed("open-sesame").accounts
    keys = ("trader-live-rock", "trader-demo", "strategist-provider-rock", "trader-follower-rock", demo.AUTOTRADER)
    assert all(accounts[key].group.ignore_hours for key in keys)
    assert not accounts["trader-live-barclays"].group.ignore_hours


def test_money_is_left_to_deposits() -> None:
    for account in demo.seed("open-sesame").accounts.values():
        account.refresh_from_db()
        assert (account.balance, account.credit, account.recorded_version, account.book_ledger_id) == (0, 0, 0, "")


def test_both_groups_offer_all_instruments_and_every_row_is_valid() -> None:
    demo.seed("open-sesame")
    found = catalogue.load(1)
    assert len(found.price_age_ms) == 20
    assert set(found.terms) == {(group, symbol) for group in ("demo", "standard") for symbol in found.price_age_ms}
    for row in (*Instrument.objects.all(), *Group.objects.all()):
        row.full_clean()


def test_every_profit_currency_reaches_the_dollar() -> None:
    """A path is the pair itself, its inverse, or one through USD; all demo accounts are in USD."""
    demo.seed("open-sesame")
    found = catalogue.load(1)
    currencies = {
        currency for terms in found.terms.values() for currency in (terms.profit_currency, terms.margin_currency)
    }
    assert {
        c for c in currencies if c != "USD" and (c, "USD") not in found.pairs and ("USD", c) not in found.pairs
    } == set()


def test_terms_look_like_the_markets() -> None:
    demo.seed("open-sesame")
    terms = catalogue.load(1).terms
    assert (terms["demo", "USDJPY"].tick, terms["demo", "USDJPY"].spread_point) == (Decimal("0.001"), Decimal("0.01"))
    assert (terms["demo", "EURUSD"].tick, terms["demo", "EURUSD"].contract_size) == (
        Decimal("0.00001"),
        Decimal(100_000),
    )
    assert (terms["demo", "XAUUSD"].contract_size, terms["demo", "USOIL"].contract_size) == (
        Decimal(100),
        Decimal(1000),
    )
    assert terms["standard", "EURUSD"].commission.rate == Decimal("3.5")
    assert terms["standard", "US500"].commission.rate == Decimal(0)
    assert terms["standard", "BTCUSD"].hours.sessions == ((0, 10080),)


def test_a_second_time_changes_nothing() -> None:
    first = demo.seed("open-sesame")
    with CaptureQueriesContext(connection) as queries:
        second = demo.seed("open-sesame")
    assert second == first
    assert not [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_a_second_time_keeps_what_was_changed() -> None:
    accounts = demo.seed("open-sesame").accounts
    live = accounts["trader-live-rock"]
    model_of(live.kind).objects.filter(pk=live.pk).update(sending_orders="barclays", group_id="standard")
    Group.objects.filter(name="demo").update(stop_out_level=20)
    trader = User.objects.get(username="trader")
    trader.set_password("his own")
    trader.save()
    again = demo.seed("another-word")
    assert again.accounts["trader-live-rock"].pk == live.pk
    assert model_of(live.kind).objects.count() == 2
    assert Group.objects.get(name="demo").stop_out_level == 20
    assert User.objects.get(username="trader").check_password("his own")
    assert User.objects.get(username="dealer").check_password("open-sesame")


def test_a_password_that_is_given_anew_is_every_demo_users() -> None:
    demo.seed("open-sesame")
    demo.seed("another-word", anew=True)
    assert all(user.check_password("another-word") for user in User.objects.all())


def test_a_demo_user_who_was_missing_gets_the_password() -> None:
    demo.seed("open-sesame")
    User.objects.filter(username="support").delete()
    demo.seed("another-word")
    assert User.objects.get(username="support").check_password("another-word")
    assert User.objects.get(username="dealer").check_password("open-sesame")


def test_the_command_lists_the_accounts_and_needs_a_password() -> None:
    out = StringIO()
    call_command("seed_demo", "--password", "open-sesame", stdout=out)
    assert "trader-live-rock" in out.getvalue()
    assert "autotrader-demo" in out.getvalue()
    assert "open-sesame" not in out.getvalue()
    with pytest.raises(CommandError, match="DEMO_PASSWORD"):
        call_command("seed_demo")
