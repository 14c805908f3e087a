"""The log: who asked for what, one line an entry whatever was typed, no secrets, and one order found in all of it."""

import json
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from accounts.api.requests import RequestContext, safe_path
from accounts.models import AuditEntry, User
from accounts.trail import note
from copytrading import logs, telemetry
from copytrading.kernel.errors import InvariantBroken, LedgerUnavailable
from copytrading.kernel.ids import DEMO, LIVE
from orders import recorder, verbs
from orders.book import announce, keys
from orders.book.work import Message
from orders.messages import CloseOrder
from tests.api.away import postgresql_away, redis_away
from tests.fixtures.desk import CLOSE, CLOSE_ALL, EXECUTE, Desk
from tests.fixtures.floor import Floor, id_of
from tests.fixtures.lines import Lines
from tests.fixtures.outage import Patience
from tests.fixtures.watch import Watch
from workers.base import StreamWorker, Worker
from workers.queues.record import RecordWorker
from workers.sweeper import Sweeper

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5"}
FAKE = '{"timestamp": "2026-01-01T00:00:00Z", "level": "info", "event": "command", "outcome": "done"}'
HEX = set("0123456789abcdef")
LogAs = Callable[[str], Lines]


def user_id(desk: Desk, username: str) -> int:
    return User.objects.get(username=username).pk


# Requests


def test_a_request_ends_in_one_line_that_says_who_did_what(desk: Desk, lines: Lines) -> None:
    answer = desk.post(EXECUTE, {**desk.at(LIVE), **BUY}, **{"X-Request-ID": "front-end.7_a"})

    assert (answer.status_code, answer["X-Request-ID"]) == (201, "front-end.7_a")
    told = lines.one("request")
    assert told.pop("duration_ms") > 0
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "request", "level": "info", "logger": "accounts.api.requests",
        "method": "POST", "path": EXECUTE, "status": 201, "request": "front-end.7_a", "address": "127.0.0.1",
        "principal": f"user:{user_id(desk, 'trader')}", "account": str(desk.accounts[LIVE].ref),
        "order": answer.json()["order"]["order_id"],
    }  # fmt: skip


@pytest.mark.parametrize("by", ["trader", "trading key"])
def test_a_refusal_has_its_reason_and_what_it_was_about(desk: Desk, lines: Lines, by: str) -> None:
    order = desk.buy(by=by)
    desk.post(CLOSE, {**desk.at(LIVE), "order_id": order}, by=by)
    desk.post(CLOSE, {**desk.at(LIVE), "order_id": order}, by=by)

    refused = lines.one("request", reason="order_not_open")
    assert (refused["status"], refused["order"], refused["account"]) == (409, order, str(desk.accounts[LIVE].ref))
    assert refused["principal"].partition(":")[0] == ("key" if by == "trading key" else "user")


def test_an_order_in_the_address_is_named_and_a_thing_that_is_none_is_not(desk: Desk, lines: Lines) -> None:
    order = desk.buy()
    desk.get(f"/api/orders/{order}")
    desk.get("/api/orders/ord_x1_nonsense")

    assert lines.one("request", path=f"/api/orders/{order}")["order"] == order
    unknown = lines.one("request", path="/api/orders/ord_x1_nonsense")
    assert unknown["reason"] == "order_not_found"
    assert "order" not in unknown


def test_somebody_unknown_has_no_name(desk: Desk, lines: Lines) -> None:
    desk.post(EXECUTE, {**desk.at(LIVE), **BUY}, by=None)

    told = lines.one("request")
    assert (told["status"], told["reason"]) == (401, "not_authenticated")
    assert "principal" not in told


@pytest.mark.parametrize("given", ["", "two words", "a" * 65, "über", 'x"y', "a\tb", "{}", None])
def test_an_id_that_is_not_of_letters_and_digits_is_replaced(desk: Desk, lines: Lines, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    answer = desk.client.get("/api/orders/ord_l1_0000000000000", headers=headers)

    made = answer["X-Request-ID"]
    assert len(made) == 32
    assert set(made) <= HEX
    assert lines.one("request")["request"] == made


def test_two_requests_have_two_ids_and_nothing_stays_of_the_first(desk: Desk, lines: Lines) -> None:
    desk.buy()
    desk.get("/api/nowhere", by=None)

    first, second = lines.of("request")
    assert first["request"] != second["request"]
    assert not {"principal", "account", "order"} & second.keys()
    assert structlog.contextvars.get_contextvars() == {}
    assert telemetry.answering.get() is False


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/admin/css/base.css", "/static/no.css"])
def test_what_machines_ask_for_all_the_time_has_no_line(desk: Desk, lines: Lines, path: str) -> None:
    answer = desk.get(path, by=None)

    assert lines.of("request") == []
    assert len(answer["X-Request-ID"]) == 32


def test_the_admin_names_who_is_logged_in(desk: Desk, lines: Lines) -> None:
    administrator = User.objects.get(username="administrator")
    administrator.set_password("for-a-test-only")
    administrator.is_staff = administrator.is_superuser = True
    administrator.save()
    form = {"username": "administrator", "password": "for-a-test-only"}
    desk.client.post("/admin/login/", form)
    desk.client.get("/admin/")

    entered, looked = lines.of("request")
    assert (entered["status"], looked["status"]) == (302, 200)
    assert entered["principal"] == looked["principal"] == f"user:{administrator.pk}"
    assert "for-a-test-only" not in lines.text.getvalue()


@pytest.mark.parametrize(("address", "noted"), [("10.0.0.9", "10.0.0.9"), ("::1", "::1"), ("evil\nline", "")])
@pytest.mark.django_db
def test_the_audit_log_has_address_and_request_of_the_log(address: str, noted: str) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        note("user:1", "tried")
        return HttpResponse()

    answer = RequestContext(view)(RequestFactory().get("/", REMOTE_ADDR=address))

    entry = AuditEntry.objects.get(action="tried")
    assert (entry.request, entry.address) == (answer["X-Request-ID"], noted)


def test_the_address_is_the_peers_unless_a_proxy_of_ours_tells(desk: Desk, lines: Lines, settings: Any) -> None:
    peers = {"REMOTE_ADDR": "10.0.0.9", "HTTP_X_FORWARDED_FOR": "1.2.3.4, 5.6.7.8"}
    desk.client.get("/api/nowhere", **peers)  # type: ignore[arg-type]
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    desk.client.get("/api/nowhere", **peers)  # type: ignore[arg-type]

    assert [line["address"] for line in lines.of("request")] == ["10.0.0.9", "5.6.7.8"]


# What clients type


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_nothing_typed_makes_a_line_of_its_own(desk: Desk, log_as: LogAs, log_format: str) -> None:
    lines = log_as(log_format)
    evil = f"\n{FAKE}\r\n\x1b[31m\u2028\x85"
    path = "/api/orders/" + "".join(f"%{byte:02X}" for byte in evil.encode())
    header = evil.replace("\n", "\\n").replace("\r", "\\r")
    typed = {"User-Agent": header, "X-Request-ID": FAKE, "X-Forwarded-For": FAKE, "Host": 'evil"host\x1b[31m'}
    desk.get(path)
    desk.client.get(path, headers=typed)
    desk.client.get(f"/admin/{path}", headers={"User-Agent": header})
    desk.post("/api/auth/login", {"username": f"x{evil}", "password": "y"}, by=None)
    desk.post("/api/auth/login", {"username": f"x{FAKE}", "password": "y"}, by=None)
    desk.post(EXECUTE, {**desk.at(LIVE), **BUY, "symbol": FAKE[:16], "idempotency_key": FAKE})
    desk.client.generic("BREW\x1b[31m", "/api/orders")
    logging.getLogger("somebody.else").warning("said %s", evil)
    note("somebody", evil, evil)

    text = lines.text.getvalue()
    assert all(character == "\n" or " " <= character <= "~" for character in text)
    assert text.count("said ") == 1
    if log_format == "json":
        read = list(lines)
        assert [line for line in read if line.get("outcome") == "done"] == []
        assert len([line for line in read if line["event"] == "request"]) == 7
    else:
        assert not any(line.startswith((FAKE[:10], " ")) for line in text.splitlines())
        assert len([entry for entry in lines.entries() if "[info] request " in entry]) == 7


def test_a_path_is_printable_and_bounded() -> None:
    assert safe_path("/api/orders/ord_l1_0") == "/api/orders/ord_l1_0"
    assert safe_path('/a b"\n\x1b\u202e\udc80') == "/a%20b%22%0A%1B%E2%80%AE%3F"
    assert len(safe_path("/" + "ü" * 5_000)) == 200


def test_a_query_is_not_told(desk: Desk, lines: Lines) -> None:
    desk.get("/api/nowhere?token=a-secret-in-an-address")

    assert lines.one("request")["path"] == "/api/nowhere"
    assert "a-secret-in-an-address" not in lines.text.getvalue()


def test_a_plain_line_quotes_what_could_be_mistaken() -> None:
    entry = {
        "timestamp": "T", "level": "info", "event": "two words",
        "a": "b=c", "d": 'x"y', "e": "\x1b", "f": Decimal("1.5"), "g": None, "h": "",
        "exception": "Traceback\n  bad\x1b[31m\nFAKE [info] request",
    }  # fmt: skip
    assert logs.plain_line(None, "info", entry) == (
        'T [info] "two words" a="b=c" d="x\\"y" e="\\u001b" f=1.5 g=None h=""\n'
        '    Traceback\n    "  bad\\u001b[31m"\n    FAKE [info] request'
    )


# Failures


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_a_fault_of_ours_is_told_once_with_its_traceback_and_no_values(
    desk: Desk, log_as: LogAs, log_format: str
) -> None:
    lines = log_as(log_format)
    desk.book.ledger.hset(keys.portfolio(desk.accounts[LIVE].ref), "balance", "no-number-at-all")
    desk.client = Client(raise_request_exception=False)
    answer = desk.get(f"/api/accounts/live/{desk.accounts[LIVE].pk}")

    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer["X-Request-ID"]
    text = lines.text.getvalue()
    causes = text.count("During handling") + text.count("direct cause")
    assert text.count("Traceback (most recent call last)") == 1 + causes
    assert desk.tokens["trader"] not in text
    if log_format == "plain":
        (told,) = [entry for entry in lines.entries() if "Traceback" in entry]
        assert f"request={answer['X-Request-ID']}" in told.splitlines()[0]
        return
    (broken,) = [line for line in lines if "exception" in line]
    assert (broken["level"], broken["logger"]) == ("error", "django.request")
    assert broken["request"] == answer["X-Request-ID"]
    assert broken["account"] == str(desk.accounts[LIVE].ref)
    request = lines.one("request")
    assert (request["status"], request["reason"]) == (500, "internal_error")


def test_what_is_away_is_a_refusal_with_the_requests_id_and_no_traceback(
    desk: Desk, lines: Lines, settings: Any
) -> None:
    with redis_away(settings, "LEDGER_URL"):
        answer = desk.post(CLOSE_ALL, desk.at(LIVE))

    assert answer.json()["request_id"] == answer["X-Request-ID"]
    assert lines.one("request")["reason"] == "ledger_unavailable"
    assert not any("exception" in line or line["logger"].startswith("django") for line in lines)


def test_an_answer_that_is_no_fault_of_ours_needs_no_id_in_it(desk: Desk) -> None:
    assert "request_id" not in desk.post(EXECUTE, desk.at(LIVE)).json()


def test_no_line_has_a_secret(desk: Desk, lines: Lines) -> None:
    trader = User.objects.get(username="trader")
    trader.set_password("right-for-a-test")
    trader.save()
    right = {"username": "trader", "password": "right-for-a-test"}
    token = desk.post("/api/auth/login", right, by=None).json()["token"]
    desk.post("/api/auth/login", {"username": "trader", "password": "wrong-for-a-test"}, by=None)
    desk.tokens["guessed"] = "guessed-for-a-test"
    desk.get("/api/orders/ord_l1_0000000000000", by="guessed")
    desk.tokens["new"] = token
    desk.post("/api/auth/logout", {}, by="new")
    with postgresql_away():
        desk.get("/api/orders/ord_l1_0000000000000", by="guessed")

    assert len(lines.of("request")) == 5
    text = lines.text.getvalue()
    secrets = ("right-for-a-test", "wrong-for-a-test", "guessed-for-a-test", token)
    assert [secret for secret in secrets if secret in text] == []


# Commands


def test_a_command_ends_in_one_line_whoever_sends_it(floor: Floor, lines: Lines) -> None:
    done = floor.open("0.5", key="once", principal="system:test")
    floor.open("0.5", key="once", principal="system:test")

    first, again = lines.of("command")
    assert first.pop("duration_ms") > 0
    first.pop("timestamp")
    assert first == {
        "event": "command", "level": "info", "logger": "orders.verbs.measure", "verb": "open", "outcome": "done",
        "flow": "local", "kind": "live", "principal": "system:test",
        "account": str(floor.ref(LIVE)), "order": id_of(done),
    }  # fmt: skip
    assert (again["outcome"], again["order"]) == ("replayed", id_of(done))


def test_a_refused_command_names_reason_order_and_flow(floor: Floor, lines: Lines) -> None:
    order = id_of(floor.open("0.5"))
    floor.close(order)
    floor.close(order)
    floor.open("50")
    floor.open("0.5", symbol="XAUUSD")
    floor.configure(LIVE, sending_orders="barclays")
    floor.open("0.5")

    told = [(line["verb"], line["outcome"], line["flow"], line.get("order")) for line in lines.of("command")[2:]]
    assert told == [
        ("close", "order_not_open", "local", order),
        ("open", "insufficient_margin", "local", None),
        ("open", "unknown_symbol", "none", None),
        ("configure", "done", "none", None),
        ("open", "provider_unavailable", "provider", None),
    ]
    assert lines.one("command", outcome="unknown_symbol")["detail"] == "Group retail does not offer XAUUSD."


def test_closing_all_tells_of_each_order_and_of_the_whole(floor: Floor, lines: Lines) -> None:
    orders = sorted(id_of(floor.open("0.5")) for _ in range(2))
    floor.close_all()

    told = [(line["verb"], line.get("order"), line["flow"]) for line in lines.of("command")[2:]]
    assert told == [("close", orders[0], "local"), ("close", orders[1], "local"), ("close_all", None, "none")]


def test_a_command_that_breaks_is_told_as_such(floor: Floor, lines: Lines, settings: Any) -> None:
    order = id_of(floor.open("0.5"))
    with redis_away(settings, "LEDGER_URL"), pytest.raises(Exception, match="ledger can't be reached"):
        floor.close(order)
    floor.book.ledger.hset(keys.portfolio(floor.ref(LIVE)), "balance", "no-number-at-all")
    with pytest.raises(InvariantBroken):
        floor.close(order)

    assert [line["outcome"] for line in lines.of("command", verb="close", order=order)] == [
        "ledger_unavailable", "internal_error",
    ]  # fmt: skip


def test_lines_of_a_command_have_its_account_and_order_and_later_ones_do_not(
    floor: Floor, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = id_of(floor.open("0.5"))
    inside = structlog.get_logger("inside")
    close = verbs._VERBS[CloseOrder]
    monkeypatch.setitem(verbs._VERBS, CloseOrder, lambda command: inside.info("chat") or close(command))
    floor.close(order)
    inside.info("after")

    said = lines.one("chat")
    assert (said["account"], said["order"], said["verb"]) == (str(floor.ref(LIVE)), order, "close")
    assert not {"account", "order", "verb"} & lines.one("after").keys()


def test_a_lost_announcement_names_what_it_was_about(
    floor: Floor, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*given: object) -> None:
        raise LedgerUnavailable("away")

    order = id_of(floor.open("0.5"))
    monkeypatch.setattr(announce, "_tell", lost)
    floor.close(order)

    told = lines.one("announcement_lost")
    assert (told["account"], told["order"], told["verb"]) == (str(floor.ref(LIVE)), order, "close")


# Workers


class Talking(Worker):
    name = "talking"

    def step(self) -> bool:
        structlog.get_logger("elsewhere").info("worked")
        return False


class Failing(StreamWorker):
    name = "failing"
    queue = "test"

    def handle(self, messages: Any) -> None:
        raise ValueError("can't be dealt with")


def test_every_line_of_a_worker_names_it(floor: Floor, lines: Lines) -> None:
    Talking("here-1").run(once=True)
    structlog.get_logger("elsewhere").info("idle")

    for event in ("worker_started", "worked", "worker_stopped"):
        told = lines.one(event)
        assert (told["worker"], told["consumer"]) == ("talking", "here-1")
    assert "worker" not in lines.one("idle")


def test_a_message_that_fails_is_told_with_its_account(floor: Floor, lines: Lines) -> None:
    worker = Failing("here-1")
    for _ in range(5):
        worker._failed(Message("1-0", {"account": "live:1", "order": "ord_l1_0000000000000"}), ValueError("bad"))

    buried = lines.one("message_buried")
    assert (buried["account"], buried["order"], buried["message"]) == ("live:1", "ord_l1_0000000000000", "1-0")
    assert [line["tries"] for line in lines.of("message_failed", account="live:1")] == [1, 2, 3, 4, 5]


def test_what_the_sweeper_tells_again_names_the_account_and_who_is_behind(floor: Floor, lines: Lines) -> None:
    floor.book.ledger.delete(keys.QUEUE_RECORD)
    sweeper = Sweeper("here-1", stop=Patience(10_000))
    sweeper.prepare()
    account = floor.ref(DEMO)
    sweeper._behind[account, "record"] = (0, float("-inf"))
    while not floor.book.ledger.xlen(keys.QUEUE_RECORD):
        sweeper.step()

    told = lines.one("told_again", account=str(account))
    assert (told["behind"], told["mark"]) == ("record", 0)


def test_the_recorder_names_what_it_recorded(floor: Floor, lines: Lines) -> None:
    floor.record()
    first, second = id_of(floor.open("0.5")), id_of(floor.open("0.2", account=DEMO))
    third = id_of(floor.open("0.1", account=DEMO))
    recorder.record(floor.accounts.values())

    one = lines.one("recorded", account=str(floor.ref(LIVE)), entries=1)
    assert (one["order"], one["version"]) == (first, floor.state(LIVE).portfolio.version)
    assert lines.of("recorded", account=str(floor.ref(DEMO)))[-1]["orders"] == sorted([second, third])


def test_one_order_is_found_in_the_lines_of_all_who_dealt_with_it(
    desk: Desk, lines: Lines, watch_on: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placed by request, filled and closed by the monitor, recorded: `grep ord_...` tells the story."""
    monkeypatch.setattr("orders.book.work.BLOCK_MS", 20)
    order = desk.rest(price="1.0990", stop_loss="1.0900")
    # The monitor's hands are those of a floor on the same book.
    floor = Floor(desk.book, {LIVE: desk.accounts[LIVE].ref})
    floor.sequence = iter(range(desk.sequence + 1, desk.sequence + 1_000))
    watch = watch_on(floor)
    watch.tick("1.0985", "1.0987")
    watch.tick("1.0890", "1.0892")
    RecordWorker("here-1").run(once=True)

    story = [(line["event"], line.get("verb"), line.get("principal")) for line in lines if order in json.dumps(line)]
    trader = f"user:{user_id(desk, 'trader')}"
    assert story == [
        ("command", "place", trader),
        ("request", None, trader),
        ("command", "fire", "system:pending_monitor"),
        ("fired", None, None),
        ("command", "fire", "system:pending_monitor"),
        ("fired", None, None),
        ("recorded", None, None),
    ]
    assert lines.one("command", verb="place")["request"] == lines.one("request")["request"]
    assert all(line["account"] == str(desk.accounts[LIVE].ref) for line in lines if order in json.dumps(line))


# Where it goes


def test_a_process_whose_standard_error_is_a_screen_writes_elsewhere(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = logs._Output()
    output.write("here\n")
    output.turn_to(tmp_path / "stack.log")
    output.write("there\n")
    output.flush()

    assert capsys.readouterr().err == "here\n"
    assert (tmp_path / "stack.log").read_text() == "there\n"
