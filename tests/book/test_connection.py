"""The ledger connection: nothing is sent twice, and "not sent" and "reply lost" are told apart."""

from collections.abc import Iterator

import pytest
import redis
from pytest_django import Settings

from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from orders.book import announce, connection, keys
from orders.book.account import commit, commit_call, load
from orders.book.connection import Ledger, ReplyLost, ledger
from orders.book.streams import announcement
from tests.book.looking import ACCOUNT, SPREAD, cause, contents, enter, node_of, opened, order
from tests.book.wire import Wire
from tests.fixtures.book import Book, forget

both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)
#: Nobody listens on it: the lowest port needs a server that these machines don't run.
NOBODY = "127.0.0.1:1"


@pytest.fixture
def wire(book: Book, settings: Settings) -> Iterator[Wire]:
    """The ledger behind a wire that can be cut."""
    made = Wire(settings.LEDGER_URL)
    settings.LEDGER_URL = made.url
    forget()
    yield made
    forget()
    made.close()


def journal(book: Book) -> list[str]:
    return [name for name, _ in contents(book)[keys.journal(ACCOUNT)]]


def test_a_lost_reply_is_told_and_the_commit_never_sent_again(book: Book, wire: Wire) -> None:
    state = enter()
    wire.watch("EVALSHA", "reply lost")
    with pytest.raises(OutcomeUnknown, match="reply to command CMD was lost; send it again with the same key") as lost:
        commit(state.portfolio, ACCOUNT, opened(state, order()), cause(answer={"ok": "yes"}))
    assert lost.value.command_id == "CMD"
    assert wire.seen == 1
    assert journal(book) == ["1-0", "2-0"]
    again = commit(state.portfolio, ACCOUNT, opened(state, order()), cause(answer={"ok": "yes"}))
    assert again.outcome == "REPLAY"
    assert again.stored
    assert again.stored.answer == {"ok": "yes"}
    assert journal(book) == ["1-0", "2-0"]


def test_a_request_cut_on_its_way_is_as_unknown(book: Book, wire: Wire) -> None:
    state = enter()
    wire.watch("EVALSHA", "request lost")
    with pytest.raises(OutcomeUnknown):
        commit(state.portfolio, ACCOUNT, opened(state, order()), cause(answer={"ok": "yes"}))
    assert wire.seen == 1
    assert journal(book) == ["1-0"]
    again = commit(state.portfolio, ACCOUNT, opened(state, order()), cause(answer={"ok": "yes"}))
    assert again.outcome == "DONE"


def test_a_reading_whose_reply_was_lost_did_nothing(book: Book, wire: Wire) -> None:
    enter()
    wire.watch("HGETALL", "reply lost")
    with pytest.raises(LedgerUnavailable, match=r"broke off while it was read .*; nothing was done"):
        load(ACCOUNT)
    assert load(ACCOUNT).portfolio.version == 1


def test_every_call_of_a_lost_batch_may_have_happened(book: Book, wire: Wire) -> None:
    key = keys.QUEUE_RECORD
    wire.watch("XADD", "reply lost")
    answers = ledger().run_each([announcement(ACCOUNT), (key, ("XLEN", key)), announcement(ACCOUNT)])
    assert [type(answer) for answer in answers] == [ReplyLost] * 3
    assert len(contents(book)[key]) == 2
    wire.watch("XADD", "reply lost")
    with pytest.raises(ReplyLost):
        ledger().run([announcement(ACCOUNT)])


def test_a_late_reply_is_never_taken_for_the_next_one(book: Book, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time-out the answer to the first command may still come; its connection is not used again."""
    monkeypatch.setattr(connection, "SOCKET_TIMEOUT_S", 0.3)
    key = keys.QUEUE_RECORD
    wire.watch("ECHO", "reply late")
    assert [type(answer) for answer in ledger().run_each([(key, ("ECHO", "first"))])] == [ReplyLost]
    wire.let_go()
    for number in range(20):
        assert ledger().run([(key, ("ECHO", str(number)))]) == [str(number)]


def test_an_announcement_that_is_lost_does_not_fail_the_command(book: Book, wire: Wire) -> None:
    state = enter()
    made = opened(state, order())
    assert commit(state.portfolio, ACCOUNT, made, cause()).outcome == "DONE"
    for fate in ("reply lost", "request lost"):
        wire.watch("XADD", fate)
        announce.after(ACCOUNT, made, "retail")
        assert wire.seen == 1
    assert load(ACCOUNT).portfolio.version == 2


def test_an_announcement_that_is_refused_does_not_fail_the_command(book: Book) -> None:
    """Whatever Redis says of it, the commit is done."""
    state = enter()
    made = opened(state, order())
    assert commit(state.portfolio, ACCOUNT, made, cause()).outcome == "DONE"
    book.ledger.set(keys.QUEUE_RECORD, "no stream")
    announce.after(ACCOUNT, made, "retail")
    book.ledger.delete(keys.QUEUE_RECORD)


@pytest.mark.parametrize("url", [f"redis://{NOBODY}/0", "unix:///nowhere/redis.sock?db=0", f"redis+cluster://{NOBODY}"])
def test_a_ledger_that_can_not_be_reached(book: Book, settings: Settings, url: str) -> None:
    state = enter()
    settings.LEDGER_URL = url
    forget()
    with pytest.raises(LedgerUnavailable, match=r"the ledger can't be reached .*; see /readyz"):
        load(ACCOUNT)
    with pytest.raises(LedgerUnavailable, match="can't be reached"):
        commit(state.portfolio, ACCOUNT, opened(state, order()), cause())


@both
def test_a_connection_the_server_closed_is_made_anew_before_anything_is_sent(book: Book) -> None:
    state = enter()
    for node in book.ledger_nodes:
        for client in node.client_list(_type="normal"):
            if client["id"] != str(node.client_id()):
                node.client_kill_filter(_id=client["id"])
    assert commit(state.portfolio, ACCOUNT, opened(state, order()), cause()).outcome == "DONE"
    assert journal(book) == ["1-0", "2-0"]


@both
def test_scripts_that_were_flushed_are_loaded_again(book: Book) -> None:
    state = enter()
    for node in book.ledger_nodes:
        node.script_flush()
    assert commit(state.portfolio, ACCOUNT, opened(state, order()), cause()).outcome == "DONE"
    assert journal(book) == ["1-0", "2-0"]


@both
def test_only_the_calls_that_lacked_their_script_are_sent_again(book: Book) -> None:
    state = enter()
    for node in book.ledger_nodes:
        node.script_flush()
    committing = commit_call(state.portfolio, ACCOUNT, opened(state, order()), cause())
    answers = ledger().run([announcement(ACCOUNT), committing, announcement(SPREAD[1])])
    assert answers[1] == ["DONE"]
    assert len(contents(book)[keys.QUEUE_RECORD]) == 2


def test_a_refused_command_is_an_error_of_redis(book: Book) -> None:
    enter()
    key = keys.portfolio(ACCOUNT)
    answers = ledger().run_each([(key, ("LPUSH", key, "x")), (key, ("HGET", key, "version"))])
    assert isinstance(answers[0], redis.ResponseError)
    assert answers[1] == "1"
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        ledger().run([(key, ("LPUSH", key, "x"))])


@both
def test_clients_are_told_never_to_try_again(book: Book) -> None:
    """Both kinds of client retry by default; a cluster's even when told None."""
    for node in ledger().nodes():
        retry = node.connection_pool.connection_kwargs["retry"]
        assert retry.get_retries() == 0
    assert ledger().one_node == (len(book.ledger_nodes) == 1)


@pytest.mark.parametrize("book", ["cluster"], indirect=True)
def test_a_batch_reaches_every_node_and_answers_in_order(book: Book) -> None:
    for number, account in enumerate(SPREAD):
        enter(account, balance=str(number + 1))
    assert len({id(node_of(book, keys.portfolio(account))) for account in SPREAD}) == len(book.ledger_nodes)
    read = [(keys.portfolio(account), ("HGET", keys.portfolio(account), "balance")) for account in SPREAD]
    assert ledger().run(read) == ["1", "2", "3", "4"]
    assert ledger().run(read * 100) == ["1", "2", "3", "4"] * 100


def test_an_empty_batch_asks_nobody(book: Book, settings: Settings) -> None:
    assert Ledger(settings.LEDGER_URL).run([]) == []


def test_a_ledger_without_memory_takes_nothing_and_loses_nothing(book: Book) -> None:
    """`noeviction` refuses writes: the script ends at its first one, and the command is not to blame."""
    state = enter()
    before = contents(book)
    limit = str(book.ledger.config_get("maxmemory")["maxmemory"])
    book.ledger.config_set("maxmemory", 1)
    try:
        with pytest.raises(LedgerUnavailable, match=r"takes no commands .* nothing was done"):
            commit(state.portfolio, ACCOUNT, opened(state, order()), cause())
        assert contents(book) == before
        assert load(ACCOUNT) == state
    finally:
        book.ledger.config_set("maxmemory", limit)
    assert commit(state.portfolio, ACCOUNT, opened(state, order()), cause()).outcome == "DONE"


def test_a_ledger_that_only_follows_takes_nothing(book: Book) -> None:
    state = enter()
    book.ledger.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(LedgerUnavailable, match=r"takes no commands .* nothing was done"):
            commit(state.portfolio, ACCOUNT, opened(state, order()), cause())
    finally:
        book.ledger.replicaof("NO", "ONE")
    assert commit(state.portfolio, ACCOUNT, opened(state, order()), cause()).outcome == "DONE"
