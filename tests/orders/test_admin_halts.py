"""The halt switches of the admin: who may use them, what they do, what they show, also while a server is away."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import psycopg2
import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.models import Halt as HaltRecord
from copytrading.kernel import clock
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from tests.accounts import rows
from tests.api.away import redis_away
from tests.fixtures.contents import nothing_done
from tests.fixtures.desk import EXECUTE, Desk
from tests.fixtures.lines import Lines
from tests.fixtures.outage import without_database

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5"}
LIST = "/admin/accounts/halt/"
ADD = "/admin/accounts/halt/add/"


def logged_in(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def principal(username: str) -> str:
    return f"user:{User.objects.get(username=username).pk}"


def filled_in(**values: str) -> dict[str, str]:
    return {"scope": "instrument:EURUSD", "extent": "opens", "reason": "feed is wrong", "until": "", **values}


def lift_of(scope: str) -> str:
    return f"{reverse('admin:accounts_halt_lift')}?{urlencode({'scope': scope})}"


def text_of(answer: Any) -> str:
    """What a reader sees."""
    assert answer.status_code == 200, answer
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def buy(desk: Desk) -> tuple[int, str]:
    answer = desk.post(EXECUTE, {**desk.at("live"), **BUY})
    return answer.status_code, answer.json().get("reason", "")


@pytest.mark.parametrize("role", ["dealer", "administrator"])
def test_those_who_deal_halt_and_lift(desk: Desk, role: str) -> None:
    client = logged_in(role)
    told = text_of(client.post(ADD, filled_in(), follow=True))
    assert "EURUSD: opening is halted." in told
    assert buy(desk) == (409, "trading_halted")
    assert halts.standing() == [Halt("instrument:EURUSD", True, "feed is wrong")]

    told = text_of(client.post(lift_of("instrument:EURUSD"), {"reason": "feed is mended"}, follow=True))
    assert "EURUSD: the halt is lifted." in told
    assert buy(desk)[0] == 201
    (recorded,) = HaltRecord.objects.all()
    assert (recorded.set_by, recorded.lifted_by) == (principal(role), principal(role))


@pytest.mark.parametrize("username", ["support", "trader", None])
def test_others_change_nothing(desk: Desk, username: str | None) -> None:
    halts.halt(Halt("platform", True, "news"), "user:1")
    client = logged_in(username) if username else Client()
    refused = 403 if username == "support" else 302
    with nothing_done(desk.book):
        assert client.get(ADD).status_code == refused
        assert client.post(ADD, filled_in()).status_code == refused
        assert client.get(lift_of("platform")).status_code == refused
        assert client.post(lift_of("platform"), {"reason": "x"}).status_code == refused
    refusals = ["forbidden_form"] * 2 if username == "support" else []
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["halt", *refusals]


def test_support_looks(desk: Desk) -> None:
    halts.halt(Halt("instrument:EURUSD", False, "feed is wrong"), principal("dealer"))
    told = text_of(logged_in("support").get(LIST))
    assert "feed is wrong" in told
    assert "Lift ..." not in told
    assert "Halt trading" not in told


def test_nobody_edits_or_deletes_the_record(desk: Desk) -> None:
    halts.halt(Halt("platform", True, "news"), "user:1")
    (row,) = HaltRecord.objects.all()
    client = logged_in("administrator")
    for view, answer in (("change", 403), ("delete", 403)):
        page = reverse(f"admin:accounts_halt_{view}", args=[row.pk])
        assert client.post(page, {"reason": "other", "post": "yes"}).status_code == answer
    assert client.get(reverse("admin:accounts_halt_change", args=[row.pk])).status_code == 200
    assert HaltRecord.objects.get().reason == "news"


@pytest.mark.parametrize(
    ("scope", "extent", "halt"),
    [
        ("platform", "opens", Halt("platform", True, "because")),
        ("platform", "everything", Halt("platform", False, "because")),
        ("group:retail", "everything", Halt("group:retail", False, "because")),
        ("instrument:EURUSD", "opens", Halt("instrument:EURUSD", True, "because")),
    ],
)
def test_every_scope_and_extent(desk: Desk, scope: str, extent: str, halt: Halt) -> None:
    order = desk.buy()
    logged_in("dealer").post(ADD, filled_in(scope=scope, extent=extent, reason="because"))
    assert halts.standing() == [halt]
    assert buy(desk) == (409, "trading_halted")
    closing = desk.post("/api/orders/close", {**desk.at("live"), "order_id": order})
    assert closing.status_code == (200 if halt.opens_only else 409)


def test_a_halt_with_an_end(desk: Desk) -> None:
    end = (clock.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    logged_in("dealer").post(ADD, filled_in(until=f"{end:%Y-%m-%d %H:%M}"))
    (halt,) = halts.standing()
    assert halt.until_ms == clock.to_ms(end)
    assert HaltRecord.objects.get().until == end
    assert f"{end:%Y-%m-%d %H:%M}" in text_of(logged_in("support").get(LIST))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"scope": ""}, "This field is required."),
        ({"scope": "instrument:NOPE"}, "Select a valid choice."),
        ({"extent": "half"}, "Select a valid choice."),
        ({"reason": ""}, "This field is required."),
        ({"reason": "   "}, "This field is required."),
        ({"reason": "x" * 201}, "at most 200 characters"),
        ({"until": "tomorrow"}, "Write date and time in UTC, such as 2026-01-31 18:00."),
        ({"until": "2020-01-01 00:00"}, "Give a time in the future, or none."),
    ],
)
def test_what_the_form_refuses(desk: Desk, values: dict[str, str], told: str) -> None:
    """With what was filled in still there, and nothing done."""
    with nothing_done(desk.book):
        answer = logged_in("dealer").post(ADD, filled_in(**values))
    assert told in text_of(answer)
    if "reason" not in values:
        assert 'value="feed is wrong"' in answer.content.decode()
    assert AuditEntry.objects.count() == 0


def test_lifting_needs_a_reason(desk: Desk) -> None:
    halts.halt(Halt("platform", True, "news"), "user:1")
    with nothing_done(desk.book):
        assert "This field is required." in text_of(logged_in("dealer").post(lift_of("platform"), {"reason": ""}))


def test_what_is_lifted_already_is_told_and_nothing_is_done(desk: Desk) -> None:
    with nothing_done(desk.book):
        told = text_of(logged_in("dealer").post(lift_of("platform"), {"reason": "x"}, follow=True))
    assert "The whole platform is not halted any more; nothing was done." in told
    assert AuditEntry.objects.count() == 0


def test_both_are_in_the_audit_log(desk: Desk) -> None:
    client = logged_in("dealer")
    client.post(ADD, filled_in())
    client.post(ADD, filled_in(extent="everything", reason="worse than we thought"))
    client.post(lift_of("instrument:EURUSD"), {"reason": "feed is mended"})
    first = {"scope": "instrument:EURUSD", "opens_only": True, "reason": "feed is wrong", "until_ms": 0}
    second = {**first, "opens_only": False, "reason": "worse than we thought"}
    noted = [
        (entry.principal, entry.action, entry.subject, entry.reason, entry.before, entry.after)
        for entry in AuditEntry.objects.order_by("id")
    ]
    by, scope = principal("dealer"), "instrument:EURUSD"
    assert noted == [
        (by, "halt", scope, "feed is wrong", None, first),
        (by, "halt", scope, "worse than we thought", first, second),
        (by, "lift_halt", scope, "feed is mended", second, None),
    ]


def test_what_is_in_force_stands_beside_the_record(desk: Desk) -> None:
    """The ledger says what is in force; the record who set it, and what there was before."""
    client = logged_in("dealer")
    client.post(ADD, filled_in(scope="platform", reason="first"))
    client.post(lift_of("platform"), {"reason": "over"})
    client.post(ADD, filled_in(reason="second"))
    rows.halt("group:retail", reason="third", set_at=rows.BEGUN, until=rows.BEGUN + timedelta(hours=1))
    with without_database():
        halts.halt(Halt("group:retail", False, "not in the record"), "console:root")
    page = client.get(LIST)
    told = text_of(page)
    in_force, record = told.split("Every halt there was")
    assert "EURUSD opening second dealer" in in_force
    assert "Group retail everything not in the record not recorded: set it again to record it" in in_force
    assert "first" not in in_force
    states = {halt.reason: halt.state for halt in page.context["cl"].queryset}
    assert states == {"first": "lifted", "second": "in force", "third": "ended"}
    assert "The whole platform lifted opening first dealer" in record


def test_a_record_of_another_halt_is_not_taken_for_the_one_in_force(desk: Desk) -> None:
    halts.halt(Halt("platform", True, "first"), principal("dealer"))
    with without_database():
        halts.halt(Halt("platform", False, "worse"), "console:root")
    page = logged_in("support").get(LIST)
    assert "The whole platform everything worse not recorded" in text_of(page)
    assert [halt.state for halt in page.context["cl"].queryset] == ["not in force"]


def test_what_was_lifted_without_the_record_is_told(desk: Desk) -> None:
    halts.halt(Halt("platform", True, "news"), "user:1")
    with without_database():
        halts.lift("platform", "console:root")
    page = logged_in("support").get(LIST)
    assert [halt.state for halt in page.context["cl"].queryset] == ["not in force"]


def test_a_halt_that_ran_out_is_not_in_force(desk: Desk) -> None:
    desk.book.ledger.hset("halts", "platform", '{"opens_only":true,"reason":"old","until_ms":1000}')
    told = text_of(logged_in("dealer").get(LIST))
    assert "Nothing is halted." in told
    assert "manage.py halt instrument:EURUSD --reason" in told


def test_the_form_offers_what_exists_and_what_was_asked_for(desk: Desk) -> None:
    rows.instrument("GBPUSD")  # offered by no group: nobody trades it
    body = logged_in("dealer").get(f"{ADD}?scope=group:retail").content.decode()
    offered = re.findall(r'<option value="([^"]*)"( selected)?', body)
    assert offered == [("", ""), ("platform", ""), ("group:retail", " selected"), ("instrument:EURUSD", "")]


def test_the_list_asks_no_more_for_more_halts(desk: Desk) -> None:
    client = logged_in("support")
    rows.halt("group:retail")
    client.get(LIST)
    with CaptureQueriesContext(database) as few:
        client.get(LIST)
    for number in range(5):
        rows.halt("platform", lifted_at=clock.now(), lifted_by=principal("dealer"), reason=f"halt {number}")
    with CaptureQueriesContext(database) as many:
        client.get(LIST)
    assert len(many) == len(few)


def test_without_the_ledger_nothing_is_halted_and_the_page_says_so(desk: Desk, settings: Any) -> None:
    halts.halt(Halt("platform", True, "news"), "user:1")
    client = logged_in("dealer")
    with redis_away(settings, "LEDGER_URL"):
        page = client.get(LIST)
        assert "The ledger can't be reached: what is in force can't be read" in text_of(page).replace("&#x27;", "'")
        assert [halt.state for halt in page.context["cl"].queryset] == ["unknown"]
        answer = client.post(ADD, filled_in())
        assert "Nothing was done: the ledger can" in text_of(answer)
        assert 'value="feed is wrong"' in answer.content.decode()
        assert "Nothing was done: the ledger can" in text_of(client.post(lift_of("platform"), {"reason": "x"}))
    assert [entry.action for entry in AuditEntry.objects.all()] == ["halt"]
    assert HaltRecord.objects.filter(lifted_at=None).count() == 1


def test_without_postgresql_a_halt_is_in_force_and_stands_in_the_process_log(desk: Desk, lines: Lines) -> None:
    with without_database():
        assert halts.halt(Halt("platform", True, "fire"), "console:root") is None
        assert halts.lift("platform", "console:root", "it was a drill")
        halts.halt(Halt("platform", True, "fire after all"), "console:root")
    assert buy(desk) == (409, "trading_halted")
    assert AuditEntry.objects.count() == 0
    told = lines.of("audit_entry_not_written")
    acts = [(each["entry"]["principal"], each["entry"]["action"], each["entry"]["reason"]) for each in told]
    assert acts == [
        ("console:root", "halt", "fire"),
        ("console:root", "lift_halt", "it was a drill"),
        ("console:root", "halt", "fire after all"),
    ]


def test_a_connection_that_breaks_in_the_middle_does_not_break_a_halt(desk: Desk) -> None:
    """PostgreSQL ended every connection: the first query finds out, and the next ones find no connection at all."""
    database.ensure_connection()
    with psycopg2.connect(**_parameters()) as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s",
            [database.settings_dict["NAME"]],
        )
    assert halts.halt(Halt("platform", True, "fire"), "console:root") is None
    assert halts.lift("platform", "console:root")
    assert buy(desk)[0] == 201


def _parameters() -> dict[str, Any]:
    given = database.get_connection_params()
    return {name: given[name] for name in ("host", "port", "user", "password", "dbname") if name in given}
