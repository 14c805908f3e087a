"""The operations page: what it tells in good and in bad times, dead letters, and an audit that is asked for."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import DEVNULL, Popen
from sys import executable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import catalogue
from accounts.models import AuditEntry, Instrument, User
from copytrading.env import BASE_DIR
from copytrading.kernel import clock
from orders.book import connection, keys
from orders.book.connection import ledger
from orders.book.work import DeadLetter, WorkStream, dead_letters
from orders.models import AuditReport
from orders.readiness import WORKERS
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from tests.accounts import rows
from tests.api.away import redis_away
from tests.fixtures.contents import nothing_done
from tests.fixtures.desk import Desk
from tests.fixtures.outage import without_database
from tests.fixtures.waiting import eventually
from workers import tasks
from workers.readings import ProcessReading, tell_processes

PAGE = "/admin/operations/"
READINGS = "/admin/operations/readings/"
LETTERS = "/admin/operations/dead-letters/"
AUDIT = "/admin/operations/audit/"
WHY = {"why": "a doubt"}
STAFF = ("support", "dealer", "administrator")
DEALERS = ("dealer", "administrator")


def logged_in(username: str | None) -> Client:
    client = Client()
    if username:
        client.force_login(User.objects.get(username=username))
    return client


def text_of(answer: Any, status: int = 200) -> str:
    """What a reader sees of it."""
    assert answer.status_code == status, answer
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("&#x27;", "'").replace("&quot;", '"').split())


def beat(desk: Desk, *missing: str, **told: str) -> None:
    """Every worker but those has just been heard, and so has a price that stays current on a slow machine."""
    Instrument.objects.filter(symbol="EURUSD").update(price_age_ms=600_000)
    catalogue.forget()
    for worker in set(WORKERS) - set(missing):
        values: dict[Any, Any] = {"at_ms": str(clock.now_ms()), "pid": "1", "state": "working", "lag": "0", **told}
        desk.book.market.hset(keys.heartbeat(worker, "here-1"), mapping=values)


@pytest.fixture
def letters(desk: Desk) -> list[DeadLetter]:
    """Two of the recorder's: of the live account and of the demo account."""
    ledger().run([(keys.QUEUE_RECORD, ("XTRIM", keys.QUEUE_RECORD, "MAXLEN", 0))])
    desk.buy("live")
    desk.buy("demo")
    stream = WorkStream(ledger(), "record", "test")
    stream.prepare()
    for message in stream.read(10):
        stream.bury(message, f"InvariantBroken: {message.fields['account']} has a <hole>")
    return dead_letters(ledger(), "record")


def name(letter: DeadLetter) -> str:
    return f"{letter.queue}/{letter.id}"


@pytest.mark.parametrize("page", [PAGE, READINGS, LETTERS])
@pytest.mark.parametrize("username", [*STAFF, "trader", "strategist", None])
def test_staff_look_and_others_are_asked_to_log_in(desk: Desk, username: str | None, page: str) -> None:
    answer = logged_in(username).get(page)
    if username in STAFF:
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
    else:
        assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={page}")


def test_it_has_a_name_that_others_link_to() -> None:
    assert reverse("admin:operations") == PAGE


def test_good_times(desk: Desk) -> None:
    beat(desk)
    desk.buy()
    tell_processes([ProcessReading("web", 4711, 75, 2, 88_000_000, "2026-01-05T03:00:01 last: account live:2")])
    tasks.nightly_audit()
    told = text_of(logged_in("support").get(PAGE))
    assert "Trading works. Everything is up." in told
    for part in (
        "Ledger up",
        "Market up",
        "Database up",
        "Feed up 1 of 1 prices are current",
        "Workers up all 5 kinds",
    ):
        assert part in told
    assert re.search(r"worker_record working \d+(\.\d)? s ago lag 0", told)
    assert "web 4711 1 min 15 s 2" in told
    assert "Last error of each process web 2026-01-05T03:00:01 last: account live:2" in told
    assert re.search(r"EURUSD 1.1 1.1002 \d+(\.\d)? s 10 min current", told)
    assert "clean 4 accounts, 0 differences" in told
    assert "Nothing is halted." in told
    assert "None: what left one account has arrived in the other." in told
    assert re.search(r"Read at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", told)


def test_what_the_record_lacks(desk: Desk) -> None:
    beat(desk)
    told = text_of(logged_in("support").get(READINGS))
    assert re.search(r"Record behind the book \d\.\d s 4 of 4 accounts behind", told)
    assert re.search(r"record 8 \d\.\d s 0", told)


def test_bad_times(desk: Desk, letters: list[DeadLetter]) -> None:
    """A worker is gone, another waits, a price is old, something is halted, letters are dead, an audit found drift."""
    beat(desk, "sweeper", state="waiting")
    rows.offer("retail", "GBPUSD")
    catalogue.forget()
    desk.quote("1.3000", "1.3002", "GBPUSD")
    desk.book.market.hset(keys.market("GBPUSD"), "stamp", str(clock.now_ms() - 754_000))
    halts.halt(Halt("instrument:EURUSD", False, "feed is <wrong>"), "user:1")
    AuditReport.objects.create(
        outcome=1, accounts=4, under_way=0, differences=[["order_missing", "ord_d1_X", "is gone"]], summary="4; drift"
    )
    told = text_of(logged_in("support").get(READINGS))
    assert "Trading works. Down: sweeper." in told
    assert "sweeper does not run: what a crash left is not finished" in told
    assert "sweeper missing not for 20 s" in told
    assert "margin_monitor waiting" in told
    assert "1 of 2 instruments that are open have no current price: GBPUSD." in told
    assert re.search(r"GBPUSD 1.3 1.3002 12 min \d+ s \d+(\.\d)? s stale", told)
    assert "instrument:EURUSD everything feed is &lt;wrong&gt; when lifted" in told
    assert "2 dead letters of queue record" in told
    assert "drift 4 accounts, 1 difference order_missing, ord_d1_X: is gone" in told


def test_nobody_trades_without_prices(desk: Desk) -> None:
    beat(desk)
    desk.book.market.hset(keys.market("EURUSD"), "stamp", "1")
    told = text_of(logged_in("support").get(READINGS))
    assert "Trading does not work. Down: prices." in told
    assert "Feed down no instrument whose market is open has a current price" in told


def test_without_the_ledger_the_rest_is_shown(desk: Desk, settings: Any) -> None:
    beat(desk)
    client = logged_in("dealer")
    with redis_away(settings, "LEDGER_URL"):
        told = text_of(client.get(PAGE))
        assert "Trading does not work. Down: the ledger." in told
        assert "Ledger down can't be reached" in told
        assert "Feed down can't be told without the ledger" in told
        assert told.count("Can't be read: the ledger is away") == 3
        assert "worker_record working" in told
        assert "EURUSD 1.1 1.1002" in told
        assert "The ledger is away, so its dead letters can't be read" in text_of(client.get(LETTERS))


def test_without_the_market_instance_the_rest_is_shown(desk: Desk, settings: Any) -> None:
    client = logged_in("dealer")
    halts.halt(Halt("group:retail", True, "news"), "user:1")
    with redis_away(settings, "MARKET_URL"):
        told = text_of(client.get(PAGE))
        assert "Trading does not work. Down: the market instance." in told
        assert "Workers down can't be told without the market instance" in told
        assert told.count("Can't be read: the market instance is away") == 2
        assert "group:retail" in told
        connection.close_all()
        told = text_of(client.post(AUDIT, WHY, follow=True))
        assert "Celery is asked, is away: no audit was begun." in told
    assert AuditEntry.objects.filter(action="audit").count() == 0


@pytest.mark.parametrize("page", [PAGE, READINGS, LETTERS])
def test_without_postgresql_it_says_so_and_what_works_all_the_same(desk: Desk, page: str) -> None:
    beat(desk)
    client = logged_in("support")
    client.get("/readyz")  # this process knows the terms
    with without_database():
        told = text_of(client.get(page), 503)
        assert "Trading works. Down: PostgreSQL." in told
        assert "Ledger up" in told
        assert "manage.py halt" in told
        assert "EURUSD" not in told  # who is not known to be staff is told what /readyz tells
        client.post(AUDIT, WHY)
    assert AuditEntry.objects.count() == 0


@contextmanager
def _silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_a_ledger_that_hangs_keeps_nobody_waiting(desk: Desk, settings: Any) -> None:
    """One that takes connections and never answers is given up within a second each time it is asked."""
    client = logged_in("support")
    with pytest.MonkeyPatch.context() as patched, _silent() as address:
        patched.setattr("orders.book.connection.GLANCE_S", 0.2)
        settings.LEDGER_URL = address
        connection.close_all()
        began = clock.monotonic()
        told = text_of(client.get(READINGS))
        assert clock.monotonic() - began < 5
    connection.close_all()
    assert "Trading does not work. Down: the ledger, market_feed" in told


def test_the_letters_with_all_that_is_known_of_them(desk: Desk, letters: list[DeadLetter]) -> None:
    told = text_of(logged_in("support").get(LETTERS))
    live = desk.accounts["live"].ref
    first = letters[0]
    assert first.fields == {"account": str(live)}
    at = f"{clock.from_ms(first.died_at_ms):%Y-%m-%d %H:%M:%S}"
    assert f"record {first.id} {at} account: {live} InvariantBroken: {live} has a &lt;hole&gt;" in told
    assert "Retry" not in told.split("Error")[-1]
    assert "There are no dead letters." not in told


def test_no_letters(desk: Desk) -> None:
    assert "There are no dead letters." in text_of(logged_in("dealer").get(LETTERS))


@pytest.mark.parametrize("role", DEALERS)
def test_a_letter_is_retried(desk: Desk, letters: list[DeadLetter], role: str) -> None:
    first, second = letters
    asked = {"letter": [name(first)], "act": "retry", "reason": "the hole is filled"}
    told = text_of(logged_in(role).post(LETTERS, asked, follow=True))
    assert "1 letter: back in the queue." in told
    assert dead_letters(ledger(), "record") == [second]
    entries: Any = desk.book.ledger.xrange(keys.QUEUE_RECORD)
    assert [fields for _, fields in entries] == [first.fields]
    (entry,) = AuditEntry.objects.all()
    by = f"user:{User.objects.get(username=role).pk}"
    assert (entry.principal, entry.action, entry.subject) == (by, "retry_letter", "queue:record")
    assert (entry.reason, entry.before["fields"], entry.after) == ("the hole is filled", first.fields, None)
    assert entry.before["error"] == first.error


def test_letters_are_discarded(desk: Desk, letters: list[DeadLetter]) -> None:
    asked = {"letter": [name(each) for each in letters], "act": "discard", "reason": "accounts are gone"}
    told = text_of(logged_in("dealer").post(LETTERS, asked, follow=True))
    assert "2 letters: discarded; the audit log keeps what was in it." in told
    assert dead_letters(ledger(), "record") == []
    assert desk.book.ledger.xlen(keys.QUEUE_RECORD) == 0
    noted = [(entry.action, entry.reason, entry.before["id"]) for entry in AuditEntry.objects.order_by("id")]
    assert noted == [("discard_letter", "accounts are gone", each.id) for each in letters]


@pytest.mark.parametrize("act", ["retry", "discard"])
def test_a_second_click_says_so_and_does_nothing(desk: Desk, letters: list[DeadLetter], act: str) -> None:
    asked = {"letter": [name(letters[0])], "act": act, "reason": "mended"}
    client = logged_in("dealer")
    client.post(LETTERS, asked)
    with nothing_done(desk.book):
        told = text_of(client.post(LETTERS, asked, follow=True))
    assert "1 letter: gone already, dealt with by somebody else. Nothing was done." in told
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [{"reason": ""}, {"reason": "  "}, {"letter": []}, {"act": "burn"}, {"act": ""}],
)
def test_what_is_missing_is_told_and_the_rest_stays_filled_in(
    desk: Desk, letters: list[DeadLetter], wrong: dict[str, Any]
) -> None:
    asked = {"letter": [name(letters[0])], "act": "retry", "reason": "mended", **wrong}
    with nothing_done(desk.book):
        answer = logged_in("dealer").post(LETTERS, asked)
    assert "Nothing was done: choose letters, give a reason, then retry or discard them." in text_of(answer)
    body = answer.content.decode()
    assert (f'value="{name(letters[0])}" aria-label="Choose {letters[0].id}" checked' in body) == bool(asked["letter"])


@pytest.mark.parametrize("named", ["record/1-1", "nowhere/1-1", "record/-", "record/+", "", "record", "record/*"])
def test_names_that_are_no_letters_do_nothing(desk: Desk, letters: list[DeadLetter], named: str) -> None:
    with nothing_done(desk.book):
        told = text_of(
            logged_in("dealer").post(LETTERS, {"letter": [named], "act": "discard", "reason": "x"}, follow=True)
        )
    assert "1 letter: gone already" in told


@pytest.mark.parametrize("username", ["support", "trader", None])
def test_others_deal_with_no_letter_and_ask_for_no_audit(
    desk: Desk, letters: list[DeadLetter], username: str | None
) -> None:
    client = logged_in(username)
    asked = {"letter": [name(letters[0])], "act": "discard", "reason": "x"}
    status = 403 if username == "support" else 302
    with nothing_done(desk.book):
        assert client.post(LETTERS, asked).status_code == status
        assert client.post(AUDIT).status_code == status
    assert not AuditEntry.objects.exclude(action="forbidden_form").exists()
    assert desk.book.market.llen("celery:celery") == 0


def test_nothing_is_done_without_the_token_of_the_form(desk: Desk, letters: list[DeadLetter]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="dealer"))
    with nothing_done(desk.book):
        asked = {"letter": [name(letters[0])], "act": "discard", "reason": "x"}
        assert client.post(LETTERS, asked).status_code == 403
        assert client.post(AUDIT).status_code == 403


def test_an_audit_is_asked_for_by_a_form_with_a_reason_alone(desk: Desk) -> None:
    client = logged_in("dealer")
    assert "Compare now" in text_of(client.get(AUDIT))
    assert "This field is required." in text_of(client.post(AUDIT, {"why": " "}))
    assert desk.book.market.llen("celery:celery") == 0


@pytest.mark.parametrize("role", DEALERS)
def test_an_audit_is_asked_for(desk: Desk, role: str) -> None:
    told = text_of(logged_in(role).post(AUDIT, WHY, follow=True))
    assert "The audit is asked for. Its result appears below when it has ended." in told
    assert re.search(r"Asked for at \d\d:\d\d:\d\d UTC, not ended yet.", told)
    (message,) = desk.book.market.lrange("celery:celery", 0, -1)
    assert json.loads(message)["headers"]["task"] == "workers.tasks.nightly_audit"
    (entry,) = AuditEntry.objects.all()
    by = f"user:{User.objects.get(username=role).pk}"
    assert (entry.principal, entry.action, entry.subject, entry.reason) == (by, "audit", "platform", "a doubt")
    tasks.nightly_audit()
    assert "not ended yet" not in text_of(logged_in(role).get(PAGE))


@pytest.mark.timeout(120)
def test_celery_carries_the_audit_out(desk: Desk, environ: dict[str, str]) -> None:
    client = logged_in("dealer")
    client.post(AUDIT, WHY)
    command = [
        executable, "-m", "celery", "--app", "copytrading", "--quiet", "worker",
        "--pool", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    with Popen(command, env=environ, cwd=BASE_DIR, stdout=DEVNULL, stderr=DEVNULL) as celery:
        try:
            eventually(AuditReport.objects.exists, limit_s=60)
        finally:
            celery.terminate()
    told = text_of(client.get(PAGE))
    assert "clean 4 accounts, 0 differences" in told
    assert "not ended yet" not in told
