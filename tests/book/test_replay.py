"""replay_journal reads what is still in Redis once more: adds what is missing, repeats nothing, tells what differs."""

from decimal import Decimal

import pytest
from django.core.management import call_command

from copytrading.kernel.ids import DEMO, LIVE
from orders import replay
from orders.book import codec, keys
from orders.book.account import load
from orders.book.connection import ledger
from orders.models import Transfer
from orders.replay import Replayed
from tests.book.test_recorder import count_rows, marks, replace_entry
from tests.book.trading import trade
from tests.fixtures.floor import Floor

D = Decimal
both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)


def replayed(floor: Floor, kind: str = LIVE) -> Replayed:
    (result,) = replay.replay([floor.ref(kind)])
    return result


def keep_journals(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded, but the journals stay whole, as when the index consumer has been down."""
    for account in floor.accounts.values():
        ledger().run([(keys.marks(account), ("DEL", keys.marks(account)))])
    monkeypatch.setattr("orders.recorder.trim_call", lambda *_: None)
    floor.record()


@both
def test_marks_that_were_lost_make_nothing_happen_twice(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    trade(floor)
    keep_journals(floor, monkeypatch)
    account = floor.ref(LIVE)
    version = load(account).portfolio.version
    ledger().run([(keys.marks(account), ("DEL", keys.marks(account)))])
    rows = count_rows()
    assert replayed(floor) == Replayed(account, compared=version, differing=(), added=0, stuck="")
    assert count_rows() == rows
    assert marks(floor.book, account) == {"record": str(version)}
    assert floor.state().portfolio.version == version


@both
def test_what_was_not_recorded_is_added(floor: Floor) -> None:
    trade(floor)
    account = floor.ref(LIVE)
    version = load(account).portfolio.version
    assert replayed(floor) == Replayed(account, compared=0, differing=(), added=version, stuck="")
    assert replayed(floor) == Replayed(account, compared=0, differing=(), added=0, stuck="")
    floor.record()
    assert floor.differences() == []


def test_an_entry_that_was_tampered_with_is_told_and_not_taken_over(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(floor)
    keep_journals(floor, monkeypatch)
    account = floor.ref(LIVE)

    def richer(values: dict[str, str]) -> dict[str, str]:
        body = codec.from_json(values["body"])
        body["portfolio"]["balance"] = "1000000"
        body["transfers"][0]["amount"] = "1000000"
        return {**values, "body": codec.to_json(body)}

    replace_entry(account, 2, richer)
    rows = count_rows()
    result = replayed(floor)
    assert (result.differing, result.added, result.stuck) == ((2,), 0, "")
    assert count_rows() == rows
    assert not Transfer.objects.filter(amount=1_000_000).exists()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_journal", account=[str(account)])
    assert ended.value.code == 1
    assert f"{account}: versions [2] differ from what is recorded" in capsys.readouterr().out


def test_an_entry_that_became_unreadable_is_told(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is recorded already, so nothing is lost; the mark is not there, so the recorder would read it again."""
    trade(floor)
    keep_journals(floor, monkeypatch)
    account = floor.ref(LIVE)
    ledger().run([(keys.marks(account), ("DEL", keys.marks(account)))])
    replace_entry(account, 3, lambda values: {**values, "body": "not JSON"})
    result = replayed(floor)
    assert (result.differing, result.added) == ((3,), 0)
    assert replayed(floor, DEMO).differing == ()


def test_a_hole_is_told(floor: Floor) -> None:
    trade(floor)
    account = floor.ref(LIVE)
    replace_entry(account, 4, lambda _: None)
    result = replayed(floor)
    assert (result.added, result.stuck) == (3, "entry 5 follows 4, recorded is 3: entries are missing")


@both
def test_the_command_reads_every_account(floor: Floor, capsys: pytest.CaptureFixture[str]) -> None:
    trade(floor)
    entries = sum(load(account).portfolio.version for account in floor.accounts.values())
    for added in (entries, 0):
        with pytest.raises(SystemExit) as ended:
            call_command("replay_journal")
        assert ended.value.code == 0
        assert f"4 accounts: 0 entries compared, {added} added, 0 accounts wrong" in capsys.readouterr().out
    assert floor.differences() == []
