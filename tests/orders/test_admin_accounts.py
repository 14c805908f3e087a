"""The account's page: the book beside the record, what each role is offered, and what it says when one is away."""

from decimal import Decimal
from typing import Any

import pytest

from accounts import catalogue
from accounts.admin.links import order_link
from accounts.models import Group, Instrument
from copytrading.kernel.ids import KINDS, LIVE, AccountRef
from orders.admin.actions import ACTIONS
from orders.admin.links import account_link, act_url
from orders.book.connection import ledger
from orders.recorder import record
from orders.rules.halts import Halt
from orders.verbs.halt import halt
from tests.accounts import rows
from tests.api.away import redis_away
from tests.orders.office import Office, office

__all__ = ["office"]

D = Decimal


def figures(answer: Any) -> dict[str, str]:
    return {figure.label: figure.value for figure in answer.context["figures"]}


def notices(answer: Any) -> list[str]:
    return [notice.text for notice in answer.context["notices"]]


def lines(answer: Any) -> dict[str, tuple[str, str]]:
    """(in the book, in the record)"""
    return {line.label: (line.book, line.recorded) for line in answer.context["beside"]}


def test_money_and_margins_are_those_of_now(office: Office) -> None:
    office.desk.buy(lots="0.5")
    office.desk.quote("1.0950", "1.0952")
    assert figures(office.page()) == {
        "Balance": "10,000.00",
        "Credit": "0.00",
        "Equity": "9,730.00",
        "Floating profit": "-270.00",
        "Used margin": "550.15",
        "Reserved margin": "0.00",
        "Free margin": "9,179.85",
        "Margin level": "1,768.61 %",
    }


def test_live_orders_are_shown_with_their_prices_of_now(office: Office) -> None:
    opened, resting = office.desk.buy(stop_loss="1.0900"), office.desk.rest(expires_at="2100-01-31T12:00:00Z")
    office.desk.quote("1.1010", "1.1012")
    answer = office.page()
    shown = {line.order.order_id: line for line, _, _ in answer.context["lines"]}
    assert list(shown) == [opened, resting]
    row = shown[opened]
    assert (row.lots, row.price, row.now, row.profit) == ("0.5", "1.10030", "1.10090", "30.00")
    assert (row.stop_loss, row.take_profit, row.expires) == ("1.09000", "–", "")
    row = shown[resting]
    assert (row.price, row.now, row.profit, row.expires) == ("1.09800", "1.10130", "–", "2100-01-31 12:00:00")
    page = answer.content.decode()
    assert order_link(opened) in page


def test_the_record_stands_beside_and_what_it_lacks_is_marked(office: Office) -> None:
    record([office.account().ref])
    assert all(book == recorded for book, recorded in lines(office.page()).values())
    office.act("credit_in", amount="5")
    office.act("status", status="read_only")
    answer = office.page()
    assert lines(answer) == {
        "Balance": ("10,000.00", "10,000.00"),
        "Credit": ("5.00", "0.00"),
        "Margin call": ("no", "no"),
        "Status": ("Read Only", "Active"),
        "Routing": ("rock (local)", "rock (local)"),
        "Group": ("retail", "retail"),
        "Leverage": ("1:100", "1:100"),
        "Version": ("4", "2"),
    }
    assert "recorder 2 behind" in answer.content.decode()
    assert "Status: Read Only. It binds what the owner asks for, not what staff do." in notices(answer)


@pytest.mark.parametrize("role", ["support", "dealer", "administrator"])
def test_each_role_is_offered_what_it_may_do(office: Office, role: str) -> None:
    opened, resting = office.desk.buy(), office.desk.rest()
    for kind in KINDS:
        page = office.page(role, kind).content.decode()
        account = office.account(kind)
        offered = {
            name
            for name, action in ACTIONS.items()
            if not action.on_order and f'href="{act_url(kind, account.pk, name)}"' in page
        }
        everything = {name for name, action in ACTIONS.items() if not action.on_order}
        assert offered == {
            "support": set(), "dealer": everything - {"configure"}, "administrator": everything,
        }[role]  # fmt: skip
    page = office.page(role).content.decode()
    for order_id, names in ((opened, {"close", "stops"}), (resting, {"stops", "modify", "cancel"})):
        buttons = {name for name in ACTIONS if f'href="{office.url(name, order_id)}"' in page}
        assert buttons == (set() if role == "support" else names)


def test_clients_are_kept_out(office: Office) -> None:
    for username in ("trader", "stranger"):
        for query in ("", "?live"):
            answer = office.page(username, query=query)
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


def test_the_live_part_is_fetched_alone(office: Office) -> None:
    office.desk.buy()
    part = office.page("support", query="?live").content.decode()
    assert "In the book now" in part
    assert "EURUSD" in part
    assert "<html" not in part
    beside = office.client("dealer").get(office.url("open") + "?live").content.decode()
    assert "Prices of this account now" in beside
    assert "<form" not in beside


def test_looking_brings_an_account_into_the_book(office: Office) -> None:
    fresh = rows.account(LIVE, "trader")
    page = office.client("support").get(f"/admin/accounts/liveaccount/{fresh.pk}/change/")
    assert lines(page)["Version"] == ("1", "0")
    assert notices(page) == []


def test_without_a_price_nothing_is_made_up(office: Office, settings: Any) -> None:
    office.desk.buy()
    office.desk.book.market.delete("market:EURUSD")
    answer = office.page()
    assert figures(answer)["Balance"] == "10,000.00"
    assert {figures(answer)[label] for label in ("Equity", "Floating profit", "Free margin", "Margin level")} == {"–"}
    assert "Not priced (no_price): EURUSD, which this account holds, has no valid quote." in notices(answer)
    with redis_away(settings, "MARKET_URL"):
        away = office.page()
    assert (away.status_code, figures(away)) == (200, {})
    assert notices(away)[0].startswith("The book can't be looked at now, so this page shows the record alone.")


def test_without_the_ledger_the_record_is_shown(office: Office, settings: Any) -> None:
    order_id = office.desk.buy()
    record([office.account().ref])
    with redis_away(settings, "LEDGER_URL"):
        answer = office.page()
    assert figures(answer) == {}
    assert lines(answer)["Balance"] == ("–", "10,000.00")
    assert notices(answer)[0].startswith("The book can't be looked at now, so this page shows the record alone.")
    page = answer.content.decode()
    assert order_id in page
    assert office.url("close", order_id) not in page


def test_an_account_that_was_lost_is_told_with_the_way_back(office: Office) -> None:
    record([office.account().ref])
    kept = office.desk.book.keys()
    ledger().run([(key, ("DEL", key)) for key in kept if f"{{{office.account().ref}}}" in key])
    answer = office.page()
    assert answer.status_code == 200
    assert f"run rebuild_book --account {office.account().ref}" in notices(answer)[0]
    assert lines(answer)["Balance"] == ("–", "10,000.00")


def test_a_margin_call_and_a_halt_are_told_first(office: Office) -> None:
    office.desk.buy(lots="5")
    office.act("correction", amount="-6000")
    assert halt(Halt("group:retail", True, "news", 0), "user:1") is None
    answer = office.page()
    level = next(figure for figure in answer.context["figures"] if figure.label == "Margin level")
    assert (level.value, level.tone) == ("69.07 %", "bad")
    assert "Group retail: opening is halted until it is lifted: news" in notices(answer)
    assert level.hint == "margin call at 100 %; stop-out level 50 %, not carried out yet"


def test_every_halt_that_concerns_the_account_is_told_the_strongest_first(office: Office) -> None:
    office.desk.buy()
    rows.offer("retail", "GBPUSD")
    rows.group("other")
    catalogue.forget()
    for each in (
        Halt("group:retail", True, "news"),
        Halt("instrument:EURUSD", True, "feed"),
        Halt("instrument:GBPUSD", False, "held by nobody here"),
        Halt("group:other", False, "not this one"),
        Halt("platform", False, "fire", 4_105_080_000_000),
    ):
        assert halt(each, "user:1") is None
    assert [told for told in notices(office.page()) if "halted" in told] == [
        "The whole platform: everything is halted until 2100-01-31 12:00:00 UTC: fire",
        "Group retail: opening is halted until it is lifted: news",
        "EURUSD: opening is halted until it is lifted: feed",
    ]


def test_a_closed_market_is_told(office: Office) -> None:
    office.desk.buy()
    assert not [told for told in notices(office.page()) if "closed" in told]
    Group.objects.update(ignore_hours=False)
    Instrument.objects.update(sessions=[])
    catalogue.forget()
    assert "Market closed: EURUSD (has no hours)." in notices(office.page())


def test_deals_transfers_and_journal_are_the_last_recorded(office: Office) -> None:
    for _ in range(4):
        office.act("close", office.desk.buy(lots="0.1"))
    record([office.account().ref])
    deals, transfers, journal = office.page().context["recent"]
    assert [row[1] for row in deals.rows] == ["out SELL 0.1 EURUSD", "in BUY 0.1 EURUSD"] * 3
    assert deals.url == f"/admin/orders/deal/?q=live%3A{office.account().pk}"
    assert [row[1] for row in transfers.rows] == ["profit"] * 4 + ["deposit"]
    assert [row[2:] for row in journal.rows[:2]] == [("close", "dealer", "asked for by phone"), ("open", "trader", "")]


def test_a_page_asks_the_database_no_more_for_more_orders(office: Office, django_assert_max_num_queries: Any) -> None:
    for _ in range(8):
        office.desk.buy(lots="0.01")
    client = office.client("dealer")
    client.get(act_url(LIVE, office.account().pk, "open"))
    with django_assert_max_num_queries(12):
        client.get(f"/admin/accounts/liveaccount/{office.account().pk}/change/")


def test_house_accounts_are_plain_text() -> None:
    assert account_link("house:bank:USD") == "house:bank:USD"
    assert account_link("demo:3") == '<a href="/admin/accounts/demoaccount/3/change/" class="text-link">demo:3</a>'


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_is_named_by_its_number(kind: str) -> None:
    assert AccountRef.of_number(AccountRef(kind, 17).number) == AccountRef(kind, 17)


@pytest.mark.parametrize("number", ["", "L10000000", "l10000001", "X10000001", "L1", "L１0000001", "L10000001\n"])
def test_what_is_no_account_number_names_none(number: str) -> None:
    with pytest.raises(ValueError):
        AccountRef.of_number(number)
