"""What an operator is told of readings: the gravest first, one sentence that says whether trading works."""

from datetime import timedelta
from typing import Any

import pytest

from copytrading.kernel import clock
from copytrading.kernel.ids import AccountRef
from orders.audit import Outcome
from orders.looking.backlog import Backlog, UnderWay
from orders.looking.lag import Queue
from orders.models import AuditReport
from orders.readiness import Check, Readiness
from orders.rules.halts import Halt
from workers.findings import Gravity, findings, headline, span
from workers.readings import ProcessReading, QuoteReading, Readings, WorkerReading

UP = {
    name: Check(True, facts={"missing": [], "open": 1}) for name in ("ledger", "market", "database", "feed", "workers")
}
AWAY = Check(False, "can't be reached", error="refused")
NOW = clock.now()
NOW_MS = clock.to_ms(NOW)
HOUR = timedelta(hours=1)
NOTE, WARNING, DOWN = Gravity.NOTE, Gravity.WARNING, Gravity.DOWN
EIGHT = tuple(AccountRef("demo", number) for number in range(1, 9))
SIX = "demo:1, demo:2, demo:3, demo:4, demo:5, demo:6"
WORKS, BROKEN = "Trading works. Down: ", "Trading does not work. Down: "


def read(checks: dict[str, Check] | None = None, **values: Any) -> Readings:
    """A system in which all is well, but for what is given."""
    clean = AuditReport(at=NOW - HOUR, outcome=Outcome.CLEAN, accounts=4, under_way=0, summary="clean")
    return Readings(**{"at": NOW, "ready": Readiness({**UP, **(checks or {})}), "audits": [clean], **values})


def told(**values: Any) -> list[tuple[Gravity, str]]:
    return [(found.gravity, found.what) for found in findings(read(**values))]


def test_nothing_is_wrong() -> None:
    assert told() == []
    assert (headline(read()).gravity, headline(read()).what) == (Gravity.GOOD, "Trading works. Everything is up.")


def test_closed_markets_are_nothing_wrong() -> None:
    assert headline(read({"feed": Check(True, facts={"open": 0})})).what == "Everything is up. Every market is closed."


@pytest.mark.parametrize(
    ("checks", "sentence", "gravity", "first"),
    [
        ({"ledger": AWAY}, BROKEN + "the ledger.", DOWN, "The ledger (Redis) can't be reached"),
        ({"ledger": Check(False, "restarted")}, BROKEN + "the ledger.", DOWN, "The ledger restarted"),
        ({"market": AWAY}, BROKEN + "the market instance.", DOWN, "The market instance (Redis)"),
        ({"feed": Check(False, "old")}, BROKEN + "prices.", DOWN, "No instrument whose market"),
        ({"database": AWAY}, WORKS + "PostgreSQL.", WARNING, "PostgreSQL can't be reached: trading goes on"),
        (
            {"workers": Check(False, facts={"missing": ["sweeper", "worker_record"]})},
            WORKS + "sweeper, worker_record.", WARNING, "sweeper does not run: ",
        ),
    ],
)  # fmt: skip
def test_what_is_down(checks: dict[str, Check], sentence: str, gravity: Gravity, first: str) -> None:
    readings = read(checks)
    assert (headline(readings).what, headline(readings).gravity) == (sentence, gravity)
    found = findings(readings)[0]
    assert found.gravity is gravity
    assert found.what.startswith(first)
    assert found.advice


def test_what_is_down_because_of_something_else_is_not_blamed() -> None:
    """Without the market instance nobody knows of prices, workers, and whether the ledger was checked."""
    blames = Check(False, "can't be reached", error="refused", blames="market")
    readings = read({"market": AWAY, "ledger": blames, "feed": blames, "workers": blames})
    assert headline(readings).what == "Trading does not work. Down: the market instance."
    assert len(findings(readings)) == 1


@pytest.mark.parametrize(
    ("values", "gravity", "what"),
    [
        (
            {"backlog": Backlog(accounts=9, lost=EIGHT)}, DOWN,
            "8 accounts of the record the ledger has lost, in whole or in part: " + SIX + " and 2 more.",
        ),
        (
            {"recorder_lag_s": 754.0}, WARNING, "The record is 12 min 34 s behind the book.",
        ),
        (
            {"queues": [Queue("record", 0, 0.0, 1)]}, WARNING,
            "1 dead letter of queue record: an account that one names is not recorded any further.",
        ),
        (
            {"backlog": Backlog(9, under_way=(UnderWay("T1", "live:1", "demo:2", "5 USD", NOW_MS - 300_000),))},
            WARNING, "5 USD are under way from live:1 to demo:2 for 5 min, transfer T1.",
        ),
        (
            {"halts": [Halt("instrument:EURUSD", True, "news"), Halt("group:demo", False, "news")]}, NOTE,
            "2 halts in force: instrument:EURUSD (opening), group:demo (everything).",
        ),
        ({"audits": []}, NOTE, "Book and record were never compared."),
        (
            {"audits": [AuditReport(at=NOW, outcome=Outcome.DRIFT, summary="4 accounts; drift")]}, WARNING,
            "The last audit: 4 accounts; drift.",
        ),
        (
            {"audits": [AuditReport(at=NOW, outcome=Outcome.LOSS, summary="loss suspected")]}, DOWN,
            "The last audit: loss suspected.",
        ),
        (
            {"audits": [AuditReport(at=NOW - 72 * HOUR, outcome=Outcome.CLEAN, summary="clean")]}, WARNING,
            "The last audit was 3 days ago.",
        ),
        (
            {"audit_asked_at": NOW - timedelta(minutes=5)}, WARNING,
            "An audit was asked for 5 min ago and has not ended.",
        ),
        (
            {"processes": [ProcessReading("celery", None, 0, 3, 0)]}, WARNING,
            "The process celery is down; started again 3 times.",
        ),
        (
            {"workers": [WorkerReading("sweeper", "a-1", 16.0, "working", "")]}, WARNING,
            "sweeper (a-1) is silent for 16 s.",
        ),
        (
            {"workers": [WorkerReading("sweeper", "a-1", 2.0, "waiting", "")]}, WARNING,
            "sweeper (a-1) waits for a server that is away.",
        ),
    ],
)  # fmt: skip
def test_what_else_is_told(values: dict[str, Any], gravity: Gravity, what: str) -> None:
    assert told(**values) == [(gravity, what)]
    expected = (
        "Trading works. Everything is up." if gravity <= NOTE else "Trading works. Something needs to be looked at."
    )
    assert headline(read(**values)).what == expected


@pytest.mark.parametrize(
    "values",
    [
        {"recorder_lag_s": 1.0, "backlog": Backlog(9, 3)},
        {"backlog": Backlog(9, under_way=(UnderWay("T1", "live:1", "demo:2", "5 USD", NOW_MS - 1_000),))},
        {"audits": [], "away": {"record": "PostgreSQL is away"}},
        {"workers": [WorkerReading("sweeper", "a-1", 4.0, "working", "")]},
        {"audit_asked_at": NOW},
    ],
)
def test_what_is_nothing_to_talk_about(values: dict[str, Any]) -> None:
    assert told(**values) == []


def test_old_prices_of_some_are_told_and_of_all_are_the_feeds() -> None:
    current = QuoteReading("EURUSD", "1.1", "1.2", 0.5, 60.0, True, True)
    old = QuoteReading("XAUUSD", "2400", "2401", 90.0, 60.0, True, False)
    closed = QuoteReading("GER40", "18000", "18001", 9_000.0, 60.0, False, False)
    assert told(quotes=[old, current, closed]) == [
        (WARNING, "1 of 2 instruments that are open have no current price: XAUUSD.")
    ]
    assert told(quotes=[old, closed]) == []


@pytest.mark.parametrize(
    ("opens_only", "gravity", "sentence"),
    [
        (True, WARNING, "Opening is halted everywhere; closing works. fire"),
        (False, DOWN, "Trading is halted. fire"),
    ],
)
def test_a_halt_of_the_platform_is_the_first_thing_told(opens_only: bool, gravity: Gravity, sentence: str) -> None:
    found = headline(read(halts=[Halt("platform", opens_only, "fire")]))
    assert (found.gravity, found.what) == (gravity, sentence)


def test_the_gravest_comes_first() -> None:
    found = told(
        checks={"database": AWAY}, audits=[], backlog=Backlog(1, lost=(AccountRef("demo", 1),)),
        halts=[Halt("instrument:EURUSD", True, "news")],
    )  # fmt: skip
    assert [gravity for gravity, _ in found] == sorted((gravity for gravity, _ in found), reverse=True)
    assert found[0][1].startswith("1 account of the record the ledger has lost")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"), (0.44, "0.4 s"), (12.9, "12 s"), (60, "1 min"), (61, "1 min 1 s"), (3599, "59 min 59 s"),
        (3600, "1 h 0 min"), (7260, "2 h 1 min"), (172_800, "2 days"),
    ],
)  # fmt: skip
def test_durations_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words
