"""The pages of the record: what each tells of its row, where it leads, and who may look."""

import html
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from copytrading.kernel.ids import DEMO, LIVE
from orders import audit
from orders.models import AuditReport, Deal, JournalEntry, Order, Transfer
from tests.accounts import rows
from tests.api.away import redis_away
from tests.fixtures.floor import Floor, id_of

STAFF = ("support", "dealer", "administrator")
LISTS = ("order", "deal", "transfer", "journalentry", "auditreport")


def logged_in(role: str) -> Client:
    client = Client()
    client.force_login(rows.user(f"a-{role}", role=role))
    return client


def page_of(row: Any) -> str:
    return reverse(f"admin:orders_{type(row).__name__.lower()}_change", args=[quote(row.pk)])


def words(answer: Any) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@dataclass
class Traded:
    """A live account that opened, was protected, and closed in two parts; and one that rests."""

    floor: Floor
    order: Order
    resting: Order
    trader: str

    def entry(self, verb: str) -> JournalEntry:
        return JournalEntry.objects.filter(verb=verb, account=self.order.account).latest("version")


@pytest.fixture
def traded(floor: Floor) -> Traded:
    trader = f"user:{rows.user('trader').pk}"
    order_id = id_of(floor.open("0.5", principal=trader))
    floor.stop(order_id, "1.0900", principal=trader, reason="client called")
    floor.close(order_id, "0.2", principal=trader)
    floor.close(order_id, principal=trader)
    resting = id_of(floor.place("1.0980", account=DEMO))
    floor.transfer(DEMO, "100")
    floor.record()
    return Traded(floor, Order.objects.get(pk=order_id), Order.objects.get(pk=resting), trader)


@pytest.mark.parametrize("role", STAFF)
def test_staff_look_at_every_page_and_change_nothing(traded: Traded, role: str) -> None:
    AuditReport.objects.create(outcome=1, accounts=4, under_way=0, summary="drift", differences=[["a", "live:1", "b"]])
    client = logged_in(role)
    for name in LISTS:
        assert client.get(reverse(f"admin:orders_{name}_changelist")).status_code == 200
        assert client.get(reverse(f"admin:orders_{name}_add")).status_code == 403
    for model in (Order, Deal, Transfer, JournalEntry, AuditReport):
        row = model._default_manager.first()
        assert client.get(page_of(row)).status_code == 200
        assert client.post(page_of(row), {"status": "OPEN"}).status_code == 403
        delete = page_of(row).replace("/change/", "/delete/")
        assert client.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("role", ["trader", "strategist", None])
def test_nobody_else_looks(traded: Traded, role: str | None) -> None:
    client = logged_in(role) if role else Client()
    addresses = [page_of(model._default_manager.first()) for model in (Order, Deal, Transfer, JournalEntry)]
    for address in (*addresses, *(reverse(f"admin:orders_{name}_changelist") for name in LISTS)):
        answer = client.get(address)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


def test_an_order_page_tells_what_was_asked_and_what_happened(traded: Traded) -> None:
    told = words(logged_in("support").get(page_of(traded.order)))
    for line in (
        f"Account {traded.order.account}", "Status CLOSED", "Flow local", "Order type BUY", "Lots 0.5",
        f"By trader {traded.trader}", "Lots filled 0.5", "Lots open now 0", "Open price 1.10030", "Close price 1.09990",
        "Stop loss 1.09000", "Stop loss set setting 1, counts from 20", "Profit -20.00 USD", "Commission 0.00 USD",
        "Commission terms 0 per lot, both",
    ):  # fmt: skip
        assert line in told, line
    assert re.search(r"Placed 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC", told)


def test_an_order_page_tells_its_events_in_words(traded: Traded) -> None:
    told = words(logged_in("support").get(page_of(traded.order)))
    for line in (
        "opened at the market; BUY 0.5 at 1.1003 trader",
        "level set trader",
        "client called OPEN 0.5 of 0.5 lots, stop loss 1.09",
        "closed; SELL 0.2 at 1.0999, profit -8 trader",
        "OPEN 0.3 of 0.5 lots, stop loss 1.09",
        "closed; SELL 0.3 at 1.0999, profit -12 trader",
        "CLOSED 0.5 lots, stop loss 1.09",
    ):
        assert line in told, line
    assert told.index("opened at the market") < told.index("level set") < told.index("CLOSED 0.5 lots")


def test_an_order_page_offers_what_applies_to_whoever_may(traded: Traded) -> None:
    account = traded.resting.account.partition(":")[2]
    acts = [f"/admin/accounts/demoaccount/{account}/act/{name}/{traded.resting.pk}/"
            for name in ("close", "stops", "modify", "cancel")]  # fmt: skip
    offered = {role: logged_in(role).get(page_of(traded.resting)).content.decode() for role in STAFF}
    assert [act in offered["dealer"] for act in acts] == [False, True, True, True]
    assert not any(act in offered["support"] for act in acts)
    ended = logged_in("dealer").get(page_of(traded.order)).content.decode()
    assert "/act/" not in ended
    for told in (*offered.values(), ended):
        assert "Back to the list" in told
        assert not re.search(r">\s*Close\s*<", told)


def test_an_order_page_leads_to_whatever_belongs_to_it(traded: Traded) -> None:
    answer = logged_in("support").get(page_of(traded.order)).content.decode()
    deals = list(Deal.objects.filter(order_id=traded.order.pk))
    moved = list(Transfer.objects.filter(order_id=traded.order.pk))
    entries = [traded.entry(verb) for verb in ("open", "protect", "close")]
    assert (len(deals), len(moved)) == (3, 2)
    for row in (*deals, *moved, *entries):
        assert f'href="{page_of(row)}"' in answer
    account = traded.floor.accounts[LIVE]
    assert f'href="{reverse("admin:accounts_liveaccount_change", args=[account.id])}"' in answer


def test_a_resting_order_says_where_it_rests_and_what_is_missing(traded: Traded) -> None:
    told = words(logged_in("support").get(page_of(traded.resting)))
    for line in (
        "Status PENDING", "Resting at 1.098", "PENDING 0.5 lots, at 1.098",
        "Nothing was filled. Each fill, in or out, would stand here", "No money moved.",
    ):  # fmt: skip
        assert line in told, line


def test_a_journal_entry_shows_its_body_its_orders_and_its_neighbours(traded: Traded) -> None:
    entry = traded.entry("close")
    before = JournalEntry.objects.get(account=entry.account, version=entry.predecessor)
    client = logged_in("support")
    answer = client.get(page_of(entry))
    markup, told = answer.content.decode(), words(answer)
    for row in (before, traded.order, Deal.objects.get(account=entry.account, version=entry.version)):
        assert f'href="{page_of(row)}"' in markup
    assert "&quot;verb&quot;: &quot;close&quot;,\n  &quot;at_ms&quot;" in markup
    assert f"{traded.order.pk} EURUSD BUY CLOSED 0.5 lots" in told
    assert f'href="{page_of(entry)}"' in client.get(page_of(before)).content.decode()
    first = JournalEntry.objects.filter(account=entry.account).earliest("version")
    assert "none: the account's first" in words(client.get(page_of(first)))


def test_an_entry_of_an_earlier_version_is_shown_all_the_same(traded: Traded) -> None:
    """Fields that came later are not in it."""
    order = {"order_id": traded.order.pk, "symbol": "EURUSD", "order_type": "BUY", "status": "OPEN", "lots": "0.5"}
    body = json.dumps({"orders": [order], "deals": []})
    last = traded.entry("close")
    old = JournalEntry.objects.create(
        account=traded.order.account, version=last.version - 500 if last.version > 500 else 10**9, predecessor=0,
        verb="retired", principal="user:1", command_id="", body=body, at=last.at,
    )  # fmt: skip
    client = logged_in("support")
    assert "OPEN 0.5 lots" in words(client.get(page_of(old)))
    assert client.get(page_of(traded.order)).status_code == 200


def test_a_deal_and_a_transfer_lead_to_order_account_and_entry(traded: Traded) -> None:
    client = logged_in("support")
    deal = Deal.objects.filter(entry="out").latest("version")
    profit = Transfer.objects.get(kind="profit", version=deal.version, account=deal.account)
    entry = JournalEntry.objects.get(account=deal.account, version=deal.version)
    for row in (deal, profit):
        markup = client.get(page_of(row)).content.decode()
        for other in (traded.order, entry):
            assert f'href="{page_of(other)}"' in markup
    assert "Profit -12.00 USD" in words(client.get(page_of(deal)))
    assert "All of it -12.00 USD" in words(client.get(page_of(deal)))
    assert f"From {deal.account} To house:trading:USD" in words(client.get(page_of(profit)))


def test_both_halves_of_a_movement_stand_together(traded: Traded) -> None:
    halves = list(Transfer.objects.filter(kind="transfer").order_by("id"))
    assert len(halves) == 2
    markup = logged_in("support").get(page_of(halves[0])).content.decode()
    assert "Both halves of this movement" in markup
    assert all(f'href="{page_of(half)}"' in markup for half in halves)


def test_a_list_asks_no_more_for_more_rows(traded: Traded, django_assert_max_num_queries: Any) -> None:
    client = logged_in("support")
    for name in ("order", "deal", "transfer", "journalentry"):
        client.get(reverse(f"admin:orders_{name}_changelist"))
        with django_assert_max_num_queries(13):  # one for the currencies of each kind of account
            client.get(reverse(f"admin:orders_{name}_changelist"))


def test_an_audit_names_each_difference(traded: Traded) -> None:
    found = [audit.Difference("balance", traded.order.account, "1 against 2")]
    audit.report(found, 4, 0.5).save()
    client = logged_in("support")
    told = words(client.get(page_of(AuditReport.objects.get())))
    assert "Outcome drift" in told
    assert f"balance {traded.order.account} 1 against 2" in told
    assert "drift" in words(client.get(reverse("admin:orders_auditreport_changelist")))


def test_the_first_page_tells_how_things_stand(traded: Traded) -> None:
    told = words(logged_in("support").get("/admin/"))
    for line in (
        "Open orders 0", "Resting orders 1", "Orders today 2", "Deals today 3", "Margin calls now 0",
        "Halts in force 0", "Live accounts 1", "Demo accounts 1", "Strategy providers 1", "Copy followers 1",
        "Ledger answers", "Last book audit none yet", "SELL out 0.3 EURUSD 1.09990 -12.00 USD", "EURUSD 3 1",
        "No account is in margin call.", "Nothing is halted.", "The audit log is empty.",
    ):  # fmt: skip
        assert line in told, line


def test_the_first_page_names_what_asks_for_attention(traded: Traded) -> None:
    from orders.rules.halts import Halt
    from orders.verbs.halt import halt

    rows.account(LIVE, "trader", margin_called=True)
    assert halt(Halt("instrument:EURUSD", True, "news at noon"), "user:1") is None
    audit.report([], 4, 0.5).save()
    told = words(logged_in("support").get("/admin/"))
    for line in ("Margin calls now 1", "Halts in force 1", "news at noon until lifted", "Last book audit clean"):
        assert line in told, line


def test_the_first_page_stands_without_the_ledger_and_says_so(traded: Traded, settings: Any) -> None:
    rows.halt("platform", reason="moving house")
    client = logged_in("support")
    with redis_away(settings, "LEDGER_URL"):
        answer = client.get("/admin/")
    assert answer.status_code == 200
    told = words(answer)
    for line in ("The ledger can't be asked", "Ledger away", "Resting orders 1", "moving house", "as recorded"):
        assert line in told, line


def test_an_empty_house_says_what_would_be_where(db: None, book: Any) -> None:
    told = words(logged_in("support").get("/admin/"))
    for line in ("No deal yet.", "Nothing was traded since 00:00 UTC.", "Open orders 0"):
        assert line in told, line
