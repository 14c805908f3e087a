"""Marks move forward only, the journal is cut to the lowest, a stream's entry is one worker's until it is done."""

from dataclasses import replace

import pytest

from orders.book import keys
from orders.book.account import Changes, changed, commit, load
from orders.book.connection import ledger
from orders.book.streams import announcement, mark_call, read_journal, trim_call, versions_and_marks
from orders.book.work import GROUP, Message, WorkStream, dead_letters, discard, retry
from tests.book.looking import ACCOUNT, SPREAD, cause, contents, enter
from tests.fixtures.book import Book

both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)
LARGE = 2**53


def moved(version: int, after: int | None = None, consumer: str = "record") -> int:
    return int(ledger().run([mark_call(ACCOUNT, consumer, version, after)])[0])


@both
@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        (5, 6, 6),
        (5, 5, 5),
        (5, 4, 5),
        (9, 10, 10),
        (10, 9, 10),
        (99, 100, 100),
        (LARGE, LARGE + 1, LARGE + 1),
        (LARGE + 1, LARGE, LARGE + 1),
    ],
)
def test_a_mark_moves_forward_only(book: Book, first: int, then: int, stands: int) -> None:
    assert moved(first) == 1
    assert moved(then) == (stands == then != first)
    assert contents(book) == {keys.marks(ACCOUNT): {"record": str(stands)}}


@both
@pytest.mark.parametrize(
    ("stood", "after", "to", "answer"),
    [
        (None, 0, 1, 1),
        (None, 1, 2, 0),
        (4, 4, 5, 1),
        (3, 4, 5, 0),
        (5, 4, 5, 0),
        (5, 4, 6, 0),
        (LARGE, LARGE + 1, LARGE + 2, 0),
    ],
)
def test_a_mark_that_follows_skips_nothing(book: Book, stood: int | None, after: int, to: int, answer: int) -> None:
    if stood is not None:
        moved(stood)
    before = contents(book)
    assert moved(to, after) == answer
    assert contents(book) == ({keys.marks(ACCOUNT): {"record": str(to)}} if answer else before)


def test_each_consumer_has_its_own_mark(book: Book) -> None:
    moved(3)
    moved(7, consumer="index")
    enter()
    assert versions_and_marks(ledger(), [ACCOUNT]) == [(ACCOUNT, 1, {"record": "3", "index": "7"})]


@both
def test_versions_and_marks_of_many_accounts(book: Book) -> None:
    for account in SPREAD[:3]:
        enter(account)
    ledger().run([mark_call(SPREAD[1], "index", 1)])
    assert versions_and_marks(ledger(), SPREAD) == [
        (SPREAD[0], 1, {}),
        (SPREAD[1], 1, {"index": "1"}),
        (SPREAD[2], 1, {}),
        (SPREAD[3], 0, {}),
    ]


def commits(count: int) -> None:
    enter()
    for number in range(count - 1):
        state = load(ACCOUNT)
        made = Changes(changed(state.portfolio))
        assert commit(state.portfolio, ACCOUNT, made, cause(f"C{number}")).outcome == "DONE"


@both
def test_the_journal_is_read_from_a_version_on(book: Book) -> None:
    commits(5)
    read = read_journal(ledger(), ACCOUNT, 2)
    assert [(version, predecessor) for version, predecessor, _ in read] == [(3, 2), (4, 3), (5, 4)]
    assert [version for version, _, _ in read_journal(ledger(), ACCOUNT, 2, count=1)] == [3]
    assert read_journal(ledger(), ACCOUNT, 5) == []


@both
@pytest.mark.parametrize(
    ("marks", "left"),
    [
        ({"record": "3", "index": "4"}, ["4-0", "5-0"]),
        ({"record": "5", "index": "2"}, ["3-0", "4-0", "5-0"]),
        ({"record": "5", "index": "5"}, []),
        ({"record": "5"}, ["1-0", "2-0", "3-0", "4-0", "5-0"]),
        ({"record": "5", "index": "0"}, ["1-0", "2-0", "3-0", "4-0", "5-0"]),
        ({}, ["1-0", "2-0", "3-0", "4-0", "5-0"]),
    ],
)
def test_the_journal_is_cut_to_the_lowest_mark(book: Book, marks: dict[str, str], left: list[str]) -> None:
    commits(5)
    if call := trim_call(ACCOUNT, marks):
        ledger().run([call])
    assert [name for name, _ in contents(book)[keys.journal(ACCOUNT)]] == left


def test_a_cut_journal_goes_on(book: Book) -> None:
    commits(3)
    call = trim_call(ACCOUNT, {"record": "3", "index": "3"})
    assert call is not None
    ledger().run([call])
    state = load(ACCOUNT)
    commit(state.portfolio, ACCOUNT, Changes(changed(state.portfolio)), cause("CX"))
    assert [(version, predecessor) for version, predecessor, _ in read_journal(ledger(), ACCOUNT, 0)] == [(4, 3)]


def stream(consumer: str = "one") -> WorkStream:
    made = WorkStream(ledger(), "record", consumer)
    made.prepare()
    return made


def announce(*accounts: int) -> None:
    ledger().run([announcement(replace(ACCOUNT, id=number)) for number in accounts])


def named(messages: list[Message]) -> list[str]:
    return [message.fields["account"] for message in messages]


@both
def test_a_stream_gives_each_entry_to_one_worker(book: Book) -> None:
    announce(1, 2, 3)
    one, two = stream("one"), stream("two")
    assert named(one.read(2, block=False)) == ["live:1", "live:2"]
    assert named(two.read(2, block=False)) == ["live:3"]
    assert two.read(2, block=False) == []
    assert named(one.own(10)) == ["live:1", "live:2"]
    assert named(two.own(10)) == ["live:3"]


@both
def test_acknowledging_deletes_in_the_same_step(book: Book) -> None:
    announce(1, 2, 3)
    one = stream()
    first, second, third = one.read(10, block=False)
    one.acknowledge([first, third])
    assert named(one.own(10)) == ["live:2"]
    assert one.length() == 1
    one.acknowledge([first])  # repeated: harmless
    one.acknowledge([])
    assert one.length() == 1
    one.acknowledge([second])
    assert contents(book)[keys.QUEUE_RECORD] == []
    assert ledger().node_of(keys.QUEUE_RECORD).xpending(keys.QUEUE_RECORD, GROUP)["pending"] == 0


@both
def test_what_a_dead_worker_took_is_claimed_by_another(book: Book) -> None:
    announce(1, 2)
    stream("dead").read(10, block=False)
    alive = stream("alive")
    assert alive.claim(idle_ms=60_000, count=10) == []
    assert named(alive.claim(idle_ms=0, count=10)) == ["live:1", "live:2"]
    assert named(alive.own(10)) == ["live:1", "live:2"]
    assert stream("dead").own(10) == []


def test_a_claim_follows_the_cursor_to_its_end(book: Book) -> None:
    """XAUTOCLAIM looks at ten times its count a call; what is idle may lie far behind what is not."""
    announce(*range(1, 101))
    stream("busy").read(95, block=False)
    stream("dead").read(10, block=False)
    for message in stream("busy").own(200):
        book.ledger.xclaim(keys.QUEUE_RECORD, GROUP, "busy", 0, [message.id], idle=0, justid=True)
    for message in stream("dead").own(200):
        book.ledger.xclaim(keys.QUEUE_RECORD, GROUP, "dead", 0, [message.id], idle=600_000, justid=True)
    assert named(stream("alive").claim(idle_ms=300_000, count=2)) == ["live:96", "live:97"]


@both
def test_a_buried_message_is_kept_until_somebody_decides(book: Book) -> None:
    announce(1, 2)
    one = stream()
    first, second = one.read(10, block=False)
    one.bury(first, "ValueError: " + "x" * 5000)
    assert one.length() == 1
    (letter,) = dead_letters(ledger(), "record")
    assert (letter.queue, letter.fields, letter.error[:15], len(letter.error)) == (
        "record", {"account": "live:1"}, "ValueError: xxx", 2000,
    )  # fmt: skip
    retry(ledger(), letter)
    assert dead_letters(ledger(), "record") == []
    (again,) = one.read(10, block=False)
    assert again.fields == {"account": "live:1"}
    one.bury(second, "why")
    discard(ledger(), dead_letters(ledger(), "record")[0])
    assert dead_letters(ledger(), "record") == []
    assert named(one.own(10)) == ["live:1"]


def test_preparing_twice_loses_nothing(book: Book) -> None:
    announce(1)
    stream("one")
    assert named(stream("two").read(10, block=False)) == ["live:1"]
