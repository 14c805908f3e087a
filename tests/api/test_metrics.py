"""`/metrics`: exact after known commands, bounded whatever was typed, open to few, and never a 500."""

import json
import math
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts import catalogue
from accounts.models import Group, Instrument
from copytrading import telemetry
from copytrading.kernel import clock
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE
from orders.api import gauges
from orders.api.metrics import counted
from orders.book import connection, keys
from orders.models import AuditReport
from orders.readiness import WORKERS
from orders.recorder import record
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from tests.accounts import rows
from tests.api.away import postgresql_away, redis_away
from tests.fixtures.desk import CLOSE, CLOSE_ALL, EXECUTE, Desk
from tests.fixtures.scrape import Scrape

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.1"}


def scrape(desk: Desk) -> Scrape:
    answer = desk.get("/metrics", by=None)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(answer.content.decode())


def grown(before: Scrape, after: Scrape, name: str) -> dict[frozenset[tuple[str, str]], float]:
    """What a counter has grown by, series by series."""
    old = dict(before.of(name))
    return {labels: value - old.get(labels, 0) for labels, value in after.of(name) if value != old.get(labels, 0)}


def series(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


# What was counted


def test_commands_are_counted_by_verb_kind_flow_and_outcome(desk: Desk) -> None:
    desk.accounts[COPY_FOLLOWER].refresh_from_db()
    before = scrape(desk)
    orders = [desk.buy(), desk.buy(), desk.buy(DEMO)]
    desk.post(EXECUTE, {**desk.at(LIVE), **BUY}, **{"Idempotency-Key": "once"})
    desk.post(EXECUTE, {**desk.at(LIVE), **BUY}, **{"Idempotency-Key": "once"})
    desk.post(EXECUTE, {**desk.at(LIVE), **BUY, "order_quantity": "50"})
    desk.post(EXECUTE, {**desk.at(DEMO), **BUY, "symbol": "XAUUSD"})
    desk.post(EXECUTE, {**desk.at(COPY_FOLLOWER), **BUY, "sending_orders": "barclays"}, by="dealer")
    desk.post(CLOSE, {**desk.at(LIVE), "order_id": orders[0]})
    desk.post(CLOSE, {**desk.at(LIVE), "order_id": orders[0]})
    desk.post(CLOSE_ALL, desk.at(LIVE))
    after = scrape(desk)

    assert grown(before, after, "commands_total") == {
        series(verb="open", kind=LIVE, flow="local", outcome="done"): 3,
        series(verb="open", kind=DEMO, flow="local", outcome="done"): 1,
        series(verb="open", kind=LIVE, flow="local", outcome="replayed"): 1,
        series(verb="open", kind=LIVE, flow="local", outcome="insufficient_margin"): 1,
        series(verb="open", kind=DEMO, flow="none", outcome="unknown_symbol"): 1,
        series(verb="open", kind=COPY_FOLLOWER, flow="provider", outcome="provider_unavailable"): 1,
        series(verb="close", kind=LIVE, flow="local", outcome="done"): 3,
        series(verb="close", kind=LIVE, flow="local", outcome="order_not_open"): 1,
        series(verb="close_all", kind=LIVE, flow="none", outcome="done"): 1,
    }
    assert grown(before, after, "command_seconds_count") == {
        series(verb="open", flow="local"): 6,
        series(verb="open", flow="none"): 1,
        series(verb="open", flow="provider"): 1,
        series(verb="close", flow="local"): 4,
        series(verb="close_all", flow="none"): 1,
    }


def test_requests_are_counted_by_pattern_and_what_was_typed_makes_no_series(desk: Desk) -> None:
    order = desk.buy()
    before = scrape(desk)
    for path in (f"/api/orders/{order}", "/api/orders/ord_l1_0000000000000", "/api/orders/anything"):
        desk.get(path)
    for path in ("/api/nowhere", "/elsewhere", '/"quoted"\n'):
        desk.get(path)
    for method in ("BREW", "PROPFIND"):
        desk.client.generic(method, "/api/nowhere")
    desk.post(EXECUTE, {**desk.at(LIVE), **BUY, "symbol": "NOSUCH1"})
    desk.client.get("/static/admin/css/base.css")
    after = scrape(desk)

    pattern = "/api/orders/<str:order_id>"
    assert grown(before, after, "requests_total") == {
        series(method="GET", route=pattern, status="200"): 1,
        series(method="GET", route=pattern, status="404"): 2,
        series(method="GET", route="unmatched", status="404"): 3,
        series(method="OTHER", route="unmatched", status="404"): 2,
        series(method="POST", route=EXECUTE, status="404"): 1,
        series(method="GET", route="static", status="200"): 1,
        series(method="GET", route="/metrics", status="200"): 1,
    }
    assert grown(before, after, "request_seconds_count")[series(route=pattern)] == 3
    assert "NOSUCH1" not in desk.get("/metrics").content.decode()


def test_a_histogram_adds_up(desk: Desk) -> None:
    desk.buy()
    told = scrape(desk)

    assert told.types["copytrading_command_seconds"] == told.types["copytrading_request_seconds"] == "histogram"
    commands, requests = {"verb": "open", "flow": "local"}, {"route": EXECUTE}
    for name, labels in (("command_seconds", commands), ("request_seconds", requests)):
        bounds = [*map(str, telemetry.BUCKETS), "+Inf"]
        heights = [told.value(f"{name}_bucket", le=bound, **labels) for bound in bounds]
        assert heights == sorted(heights)
        assert heights[-1] == told.value(f"{name}_count", **labels) > 0
        assert told.value(f"{name}_sum", **labels) > 0


def test_what_the_recorder_folds_in_is_counted(desk: Desk) -> None:
    record([account.ref for account in desk.accounts.values()])
    before = scrape(desk)
    desk.buy()
    desk.buy()
    desk.buy(DEMO)
    record([desk.accounts[kind].ref for kind in (LIVE, DEMO)])

    assert grown(before, scrape(desk), "recorded_entries_total") == {series(kind=LIVE): 2, series(kind=DEMO): 1}


def test_every_name_and_unit_is_as_prometheus_wants_it(desk: Desk) -> None:
    desk.buy()
    record([desk.accounts[LIVE].ref])
    told = scrape(desk)

    assert all(name.startswith("copytrading_") for name in told.types)
    for (name, labels), value in told.samples.items():
        assert name.endswith("_total") == (told.types.get(name.removesuffix("_total")) == "counter")
        assert not math.isnan(value)
        assert {"pid"}.isdisjoint(dict(labels))
    assert set(told.types.values()) == {"counter", "gauge", "histogram"}


def test_a_file_without_anything_in_it_does_no_harm(tmp_path: Path) -> None:
    """A process that has just begun, or was killed as it began."""
    (tmp_path / "counter_1.db").touch()
    (tmp_path / "histogram_2.db").write_bytes(bytes(1 << 16))

    assert list(counted(tmp_path)) == []


# How everything is


def test_queues_dead_letters_and_the_recorders_lag(desk: Desk) -> None:
    record([account.ref for account in desk.accounts.values()])
    desk.book.ledger.delete(keys.QUEUE_RECORD)
    idle = scrape(desk)
    entered_ms = clock.now_ms() - 90_000
    desk.book.ledger.xadd(keys.QUEUE_RECORD, {"account": "nobody"}, id=f"{entered_ms}-0")
    desk.buy()
    desk.book.ledger.xadd("dead:record", {"account": "nonsense", "_error": "x"})
    busy = scrape(desk)

    assert (idle.series("queue_waiting"), idle.series("queue_oldest_seconds")) == ({"record": 0}, {"record": 0})
    assert (idle.series("dead_letters"), idle.value("recorder_lag_seconds")) == ({"record": 0}, 0)
    assert (busy.series("queue_waiting"), busy.series("dead_letters")) == ({"record": 2}, {"record": 1})
    assert 90 <= busy.series("queue_oldest_seconds")["record"] < 150
    assert 0 < busy.value("recorder_lag_seconds") < 60


def test_halts_in_force_are_counted_by_what_they_are_of(desk: Desk) -> None:
    for scope, opens_only in (("platform", False), ("group:retail", True), ("instrument:EURUSD", True)):
        assert halts.halt(Halt(scope, opens_only, "news"), "user:1") is None
    told = scrape(desk)
    assert told.value("halts", scope="platform", opens_only="false") == 1
    assert told.value("halts", scope="platform", opens_only="true") == 0
    assert told.value("halts", scope="group", opens_only="true") == 1
    assert told.value("halts", scope="instrument", opens_only="true") == 1


@pytest.mark.parametrize("told_of", ["announced", "dead"])
def test_the_lag_is_the_age_of_the_oldest_entry_that_is_not_recorded(desk: Desk, told_of: str) -> None:
    """Also of an account whose announcement lies with the dead letters: its journal waits."""
    account = desk.accounts[LIVE].ref
    record([each.ref for each in desk.accounts.values()])
    desk.buy()
    journal: Any = desk.book.ledger.xrange(keys.journal(account))
    body = json.loads(journal[-1][1]["body"])
    desk.book.ledger.delete(keys.QUEUE_RECORD, keys.journal(account))
    body["at_ms"] -= 700_000
    desk.book.ledger.xadd(keys.journal(account), {"prev": "2", "body": json.dumps(body)}, id=journal[-1][0])
    desk.book.ledger.xadd(keys.QUEUE_RECORD if told_of == "announced" else "dead:record", {"account": str(account)})

    assert 700 <= scrape(desk).value("recorder_lag_seconds") < 760


def test_quotes_have_an_age_and_one_never_given_is_infinitely_old(desk: Desk) -> None:
    for symbol in ("GBPUSD", "USDCHF"):
        rows.instrument(symbol)
        rows.offer("retail", symbol)
    catalogue.forget()
    desk.quote(symbol="GBPUSD")
    desk.book.market.hset(keys.market("EURUSD"), "stamp", str(clock.now_ms() - 60_000))
    ages = scrape(desk).series("quote_age_seconds")

    assert sorted(ages) == ["EURUSD", "GBPUSD", "USDCHF"]
    assert 60 <= ages["EURUSD"] < 90
    assert 0 <= ages["GBPUSD"] < 30
    assert ages["USDCHF"] == math.inf


def test_it_tells_which_markets_are_open(desk: Desk) -> None:
    assert scrape(desk).series("market_open") == {"EURUSD": 1}
    Group.objects.update(ignore_hours=False)
    Instrument.objects.update(sessions=[])
    catalogue.forget()
    assert scrape(desk).series("market_open") == {"EURUSD": 0}


def test_heartbeats_have_an_age_and_a_worker_without_one_is_infinitely_old(desk: Desk) -> None:
    beats = [("sweeper", "a-1", 9_000), ("worker_record", "a-1", 15_000), ("worker_record", "a-2", 2_000)]
    for worker, consumer, ago_ms in beats:
        desk.book.market.hset(keys.heartbeat(worker, consumer), "at_ms", str(clock.now_ms() - ago_ms))
    told = scrape(desk)
    ages = told.series("worker_heartbeat_age_seconds")

    assert sorted(ages) == sorted(WORKERS)
    assert 9 <= ages["sweeper"] < 40
    assert 2 <= ages["worker_record"] < 15
    assert ages["market_feed"] == ages["pending_monitor"] == ages["margin_monitor"] == math.inf
    assert told.series("workers") == dict.fromkeys(WORKERS, 0) | {"sweeper": 1, "worker_record": 2}


def test_it_tells_of_the_last_audit_of_clearance_and_of_what_runs(desk: Desk) -> None:
    at = clock.now() - timedelta(hours=3)
    AuditReport.objects.create(outcome=0, accounts=1, under_way=0, summary="clean")
    AuditReport.objects.create(outcome=2, accounts=1, under_way=0, summary="loss", at=at)
    told = scrape(desk)

    assert told.value("last_audit_outcome") == 2
    assert told.value("last_audit_timestamp_seconds") == pytest.approx(at.timestamp(), abs=0.01)
    assert told.value("ledger_cleared") == 1
    ((labels, one),) = told.of("build_info")
    assert (dict(labels)["version"], one) == ("0.1.0", 1)
    desk.book.market.delete(keys.LEDGER_CLEARED)
    assert scrape(desk).value("ledger_cleared") == 0
    assert scrape(desk).series("up") == {"ledger": 1, "market": 1, "database": 1}


# What is away


def test_without_the_ledger_the_rest_is_told(desk: Desk, settings: Any) -> None:
    with redis_away(settings, "LEDGER_URL"):
        told = scrape(desk)

    assert told.series("up") == {"ledger": 0, "market": 1, "database": 1}
    assert told.series("quote_age_seconds").keys() == {"EURUSD"}
    assert "copytrading_queue_waiting" not in told.types
    assert "copytrading_commands" in told.types


def test_without_the_market_instance_the_rest_is_told(desk: Desk, settings: Any) -> None:
    with redis_away(settings, "MARKET_URL"):
        told = scrape(desk)

    assert told.series("up") == {"ledger": 1, "market": 0, "database": 1}
    assert told.series("queue_waiting").keys() == {"record"}
    assert "copytrading_quote_age_seconds" not in told.types


def test_without_postgresql_the_rest_is_told(desk: Desk) -> None:
    scrape(desk)
    with postgresql_away():
        told = scrape(desk)

    assert told.series("up") == {"ledger": 1, "market": 1, "database": 0}
    assert told.series("quote_age_seconds").keys() == {"EURUSD"}
    assert told.series("queue_waiting").keys() == {"record"}


def test_a_part_that_takes_calls_and_answers_none_holds_nothing_up(
    desk: Desk, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "DEADLINE_S", 1.0)
    given = settings.MARKET_URL
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.MARKET_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        connection.close_all()
        began = clock.monotonic()
        told = scrape(desk)
        took_s = clock.monotonic() - began
    settings.MARKET_URL = given
    connection.close_all()

    assert told.series("up") == {"ledger": 1, "market": 0, "database": 1}
    assert 1 <= took_s < 6


def test_a_fault_in_one_reading_does_not_hide_the_others(desk: Desk) -> None:
    desk.book.market.hset(keys.heartbeat("sweeper", "a-1"), "at_ms", "no-number")

    assert scrape(desk).series("up") == {"ledger": 1, "market": 0, "database": 1}


# Who may ask


LOCAL = {"REMOTE_ADDR": "127.0.0.1"}
FAR = {"REMOTE_ADDR": "10.1.2.3"}


@pytest.mark.parametrize(
    ("peer", "by", "status", "reason"),
    [
        (LOCAL, None, 200, None),
        ({"REMOTE_ADDR": "::1"}, None, 200, None),
        (LOCAL | {"HTTP_AUTHORIZATION": "Bearer nonsense"}, None, 200, None),
        (LOCAL | {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, None, 401, "not_authenticated"),
        (LOCAL | {"HTTP_FORWARDED": "for=127.0.0.1"}, None, 401, "not_authenticated"),
        (LOCAL | {"HTTP_X_REAL_IP": ""}, None, 401, "not_authenticated"),
        ({"REMOTE_ADDR": "127.0.0.1.evil"}, None, 401, "not_authenticated"),
        ({"REMOTE_ADDR": ""}, None, 401, "not_authenticated"),
        (FAR, None, 401, "not_authenticated"),
        (FAR | {"HTTP_AUTHORIZATION": "Bearer nonsense"}, None, 401, "not_authenticated"),
        (FAR, "trader", 403, "not_permitted"),
        (FAR, "trading key", 403, "not_permitted"),
        (FAR, "support", 200, None),
        (FAR, "dealer", 200, None),
        (FAR, "administrator", 200, None),
        (FAR, "dealing key", 200, None),
        (LOCAL | {"HTTP_X_FORWARDED_FOR": "10.1.2.3"}, "support", 200, None),
    ],
)  # fmt: skip
def test_figures_are_for_this_machine_and_for_staff(
    desk: Desk, peer: dict[str, str], by: str | None, status: int, reason: str | None
) -> None:
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {desk.tokens[by]}"} if by else {}
    answer = desk.client.get("/metrics", **(peer | bearer))  # type: ignore[arg-type]

    assert answer.status_code == status
    if reason:
        assert (answer["Content-Type"], answer.json()["reason"]) == ("application/problem+json", reason)
        assert b"copytrading_" not in answer.content


def test_a_post_is_refused_in_json(desk: Desk) -> None:
    answer = desk.post("/metrics", {}, by=None)
    assert (answer.status_code, answer.json()["reason"]) == (405, "method_not_allowed")
