"""`manage.py` commands of workers and operators: what they do, what they say, and what they refuse."""

import getpass
import os
import re
import signal
import threading
from collections.abc import Iterator
from decimal import Decimal as D
from io import StringIO
from subprocess import PIPE, Popen
from sys import executable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import ApiKey, AuditEntry, LiveAccount
from accounts.models import Halt as HaltRecord
from copytrading.env import BASE_DIR
from copytrading.kernel.ids import DEMO, LIVE
from orders.book import keys
from orders.book.connection import ledger
from orders.book.work import WorkStream, dead_letters
from orders.messages import Done
from orders.models import Deal
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, id_of, reason_of
from tests.fixtures.outage import without_database
from tests.fixtures.waiting import eventually
from workers.management.commands import pending_monitor


@pytest.fixture(autouse=True)
def _signals_stay() -> Iterator[None]:
    """Worker commands take over SIGTERM and SIGINT of their process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def run(*arguments: str, **options: Any) -> list[str]:
    """What the command says, line by line."""
    said = StringIO()
    call_command(*arguments, **{"stdout": said, **options})
    return said.getvalue().splitlines()


def test_halting_listing_and_lifting(floor: Floor) -> None:
    assert run("halt") == ["nothing is halted"]
    assert run("halt", "instrument:EURUSD", "--reason", "feed is down") == [
        "instrument:EURUSD: opening is halted until lifted: feed is down"
    ]
    assert reason_of(floor.open("0.1")) == "trading_halted"
    assert run("halt", "platform", "--reason", "fire", "--everything", "--until", "2099-01-31T18:00+02:00") == [
        "instrument:EURUSD: opening is halted until lifted: feed is down",
        "platform: everything is halted until 2099-01-31 16:00 UTC: fire",
    ]
    assert run("halt", "platform", "--lift") == [
        "platform: lifted",
        "instrument:EURUSD: opening is halted until lifted: feed is down",
    ]
    assert run("halt", "platform", "--lift")[0] == "platform: was not halted"
    run("halt", "instrument:EURUSD", "--lift")
    assert isinstance(floor.open("0.1"), Done)
    assert {row.set_by for row in HaltRecord.objects.all()} == {f"console:{getpass.getuser()}"}


def test_halting_without_postgresql(floor: Floor) -> None:
    with without_database():
        said = run("halt", "platform", "--reason", "fire")
        assert said == ["platform: opening is halted until lifted: fire"]
        assert reason_of(floor.open("0.1")) == "trading_halted"
        run("halt", "platform", "--lift")
        assert isinstance(floor.open("0.1"), Done)


def noted(*fields: str) -> list[tuple[Any, ...]]:
    """These fields of every entry of the audit log, oldest first; each of them is by whoever runs the tests."""
    entries = list(AuditEntry.objects.order_by("id"))
    assert {entry.principal for entry in entries} <= {f"console:{getpass.getuser()}"}
    return [tuple(getattr(entry, field) for field in fields) for entry in entries]


def test_halting_by_hand_is_noted(floor: Floor) -> None:
    run("halt", "platform", "--reason", "fire")
    run("halt", "platform", "--lift", "--reason", "it was a drill")
    run("halt", "platform", "--lift")  # lifts nothing
    halted = {"scope": "platform", "opens_only": True, "reason": "fire", "until_ms": 0}
    assert noted("action", "subject", "reason", "before", "after") == [
        ("halt", "platform", "fire", None, halted),
        ("lift_halt", "platform", "it was a drill", halted, None),
    ]


def test_who_has_no_name_halts_all_the_same(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose user id stands in no list of users."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    run("halt", "platform", "--reason", "fire")
    assert reason_of(floor.open("0.1")) == "trading_halted"
    assert AuditEntry.objects.get().principal == f"console:{os.getuid()}"


def test_dealing_with_letters_by_hand_is_noted(floor: Floor, buried: list[str]) -> None:
    run("dead_letters", "list")
    run("dead_letters", "show", "all")
    run("dead_letters", "retry", buried[0], "--reason", "hole is filled")
    run("dead_letters", "discard", buried[1])
    (first, second) = noted("action", "subject", "reason", "before")
    assert first[:3] == ("retry_letter", "queue:record", "hole is filled")
    assert first[3]["fields"] == {"account": str(floor.ref(LIVE))}
    assert second[:3] == ("discard_letter", "queue:record", "")
    assert second[3]["id"] == buried[1]


def test_a_letter_that_goes_meanwhile_is_told(floor: Floor, buried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else is quicker, between the list and the act."""
    monkeypatch.setattr("orders.book.work.dead_letter", lambda *_: None)
    with nothing_done(floor.book):
        assert run("dead_letters", "retry", buried[0]) == [f"{buried[0]} is gone already"]
    assert noted("action") == []


def test_making_a_key_is_noted_without_the_secret(floor: Floor) -> None:
    (secret,) = run("create_api_key", "trader", "--scopes", "read,trade", "--name", "robot", stderr=StringIO())
    ((action, subject, after),) = noted("action", "subject", "after")
    key = ApiKey.objects.get()
    assert (action, subject) == ("create_api_key", f"key:{key.pk}")
    assert {name: after[name] for name in ("user", "name", "prefix", "scopes")} == {
        "user": "trader", "name": "robot", "prefix": key.prefix, "scopes": ["read", "trade"],
    }  # fmt: skip
    assert secret not in str(after)
    assert secret.split("_")[-1] not in str(after)


def test_rebuilding_is_noted_for_each_account(floor: Floor) -> None:
    floor.record()
    key = keys.portfolio(floor.ref(DEMO))
    ledger().run([(key, ("DEL", key))])
    run("rebuild_book")
    assert noted("action", "subject", "after") == [
        ("rebuild_book", str(floor.ref(DEMO)), {"version": 1_000_002, "orders": 0})
    ]


def test_replaying_is_noted(floor: Floor) -> None:
    with pytest.raises(SystemExit) as ended:
        run("replay_journal")
    assert ended.value.code == 0
    assert noted("action", "after") == [("replay_journal", {"accounts": 4, "compared": 0, "added": 8, "wrong": 0})]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["platform"], "say why with --reason"),
        (["planet", "--reason", "x"], "'planet' can't be halted: Use platform, group:<name> or instrument:<symbol>."),
        (["instrument:NOPE", "--reason", "x"], "there is no instrument NOPE: Use one of: EURUSD."),
        (["group:nobody", "--reason", "x"], "there is no group nobody: Use one of: retail."),
        (["platform", "--reason", "x", "--until", "soon"], "--until soon is no time; write 2026-01-31T18:00+00:00"),
        (["platform", "--reason", "x", "--until", "2099-01-01T00:00"], "--until needs a time zone, such as +00:00"),
        (["platform", "--reason", "x", "--until", "2020-01-01T00:00+00:00"], "--until has passed already"),
    ],
)
def test_halts_that_are_refused(floor: Floor, arguments: list[str], told: str) -> None:
    with nothing_done(floor.book), pytest.raises(CommandError, match=re.escape(told)):
        run("halt", *arguments)
    assert HaltRecord.objects.count() == 0


@pytest.fixture
def buried(floor: Floor) -> list[str]:
    """The ids of two letters of the recorder: one names the live account, one the demo account."""
    ledger().run([(keys.QUEUE_RECORD, ("XTRIM", keys.QUEUE_RECORD, "MAXLEN", 0))])
    for kind in (LIVE, DEMO):
        floor.money("deposit", "1", kind)
    stream = WorkStream(ledger(), "record", "test")
    stream.prepare()
    for message in stream.read(10):
        stream.bury(message, f"InvariantBroken: {message.fields['account']} has a hole")
    return [letter.id for letter in dead_letters(ledger(), "record")]


def test_letters_are_listed_and_shown(floor: Floor, buried: list[str]) -> None:
    live, demo = floor.ref(LIVE), floor.ref(DEMO)
    first, second, count = run("dead_letters", "list")
    assert re.fullmatch(rf"{buried[0]}  record  [-0-9]+ [:0-9]+  InvariantBroken: {live} has a hole", first)
    assert second.endswith(f"InvariantBroken: {demo} has a hole")
    assert count == "2 dead letters"
    assert run("dead_letters", "show", buried[1]) == [
        f"{buried[1]} of record",
        f'  {{"account":"{demo}"}}',
        f"  InvariantBroken: {demo} has a hole",
    ]
    assert run("dead_letters", "list", "--queue", "record")[-1] == "2 dead letters"


def test_letters_go_back_or_away(floor: Floor, buried: list[str]) -> None:
    assert run("dead_letters", "retry", buried[0]) == [f"{buried[0]} is back in queue:record"]
    ((_, fields),) = ledger().run([(keys.QUEUE_RECORD, ("XRANGE", keys.QUEUE_RECORD, "-", "+"))])[0]
    assert fields == {"account": str(floor.ref(LIVE))}
    assert run("dead_letters", "discard", "all") == [f"{buried[1]} is discarded"]
    assert run("dead_letters", "list") == ["0 dead letters"]
    assert floor.book.ledger.xlen(keys.QUEUE_RECORD) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["retry"], "name the letters by the ids"),
        (["discard", "1-1"], "there is no dead letter 1-1; see `dead_letters list`"),
        (["burn", "all"], "invalid choice: 'burn'"),
        (["list", "--queue", "nowhere"], "invalid choice: 'nowhere'"),
    ],
)
def test_what_dead_letters_refuses(floor: Floor, buried: list[str], arguments: list[str], told: str) -> None:
    with nothing_done(floor.book), pytest.raises(CommandError, match=re.escape(told)):
        run("dead_letters", *arguments)


def test_the_recorder_once(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.book.work.BLOCK_MS", 20)
    floor.open("0.5")
    run("worker_record", "--once", "--consumer", "mine", "--batch", "2")
    assert Deal.objects.count() == 1
    assert floor.book.market.exists("heartbeat:worker_record:mine")


def test_the_sweeper_once(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transfer under way is finished by one pass."""
    with monkeypatch.context() as dying:
        dying.setattr("orders.verbs.money.finish_transfer", lambda *_: False)  # the process dies after the debit
        assert floor.transfer(DEMO, "100").answer["state"] == "under_way"
    run("sweeper", "--once")
    assert floor.state(LIVE).under_way == {}
    assert floor.state(DEMO).portfolio.balance == D(10_100)


def test_the_monitors_once(floor: Floor) -> None:
    floor.open("0.5", stop_loss=D("1.0950"))
    run("margin_monitor", "--once")
    assert floor.book.market.hget(keys.user_margin(floor.ref(LIVE)), "equity") == "9980"
    with nothing_done(floor.book):
        run("pending_monitor", "--once", "--consumer", "mine", "--shard", "1/2")
    assert floor.book.market.hget("heartbeat:pending_monitor:mine", "levels") == "1"


@pytest.mark.parametrize("shard", ["4/4", "0", "0/0", "-1/4", "a/b", "1/2/3", ""])
def test_what_is_no_share(floor: Floor, shard: str) -> None:
    with pytest.raises(CommandError, match="is no share; write 0/4 for the first of four"):
        run("pending_monitor", f"--shard={shard}", "--once")


def test_the_share_is_the_monitors() -> None:
    command = pending_monitor.Command()
    options = vars(command.create_parser("manage.py", "pending_monitor").parse_args(["--shard", "3/8"]))
    monitor = command.made(options, threading.Event())
    assert monitor.shard == (3, 8)  # type: ignore[attr-defined]


def test_sigterm_ends_a_worker_in_order(floor: Floor, environ: dict[str, str]) -> None:
    """It is seen at work before, and has left nothing unfinished behind."""
    order_id = id_of(floor.open("0.5"))
    command = [executable, str(BASE_DIR / "manage.py"), "worker_record", "--consumer", "child"]
    with Popen(command, env=environ, cwd=BASE_DIR, stderr=PIPE, text=True) as child:
        live = LiveAccount.objects.filter(pk=floor.ref(LIVE).id)
        try:
            eventually(lambda: live.get().recorded_version == floor.state().portfolio.version, limit_s=30)
        finally:
            child.send_signal(signal.SIGTERM)
        _, log = child.communicate(timeout=15)
    assert child.returncode == 0
    assert '"event": "worker_stopped"' in log.splitlines()[-1]
    assert Deal.objects.get().order_id == order_id
    assert floor.book.ledger.xlen(keys.QUEUE_RECORD) == 0
    assert floor.differences() == []
