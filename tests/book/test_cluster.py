"""A ledger of three nodes whose slots move, and whose nodes go away, while accounts trade on it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from redis.crc import key_slot

from copytrading.kernel.errors import LedgerUnavailable
from orders.book import keys
from orders.book.account import commit, load
from orders.book.connection import ledger
from tests.book.looking import ACCOUNT, SPREAD, cause, contents, enter, node_of, opened, order
from tests.fixtures.book import Book, Cluster
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.parametrize("book", ["cluster"], indirect=True)

SLOT = key_slot(str(ACCOUNT).encode())


@dataclass
class Move:
    """The slot of ACCOUNT on its way from one node to another, step by step, as an operator moves it."""

    book: Book
    source: redis.Redis
    target: redis.Redis

    def begin(self) -> None:
        self.target.execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", _id(self.source))
        self.source.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", _id(self.target))

    def carry(self, *names: str) -> None:
        """These keys, or all that are left."""
        moving = names or self.source.execute_command("CLUSTER", "GETKEYSINSLOT", SLOT, 1000)
        host, port = "127.0.0.1", self.target.connection_pool.connection_kwargs["port"]
        self.source.execute_command("MIGRATE", host, port, "", 0, 5000, "KEYS", *moving)

    def finish(self) -> None:
        for node in (self.target, self.source, *self.book.ledger_nodes):
            node.execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", _id(self.target))

    def back(self) -> "Move":
        return Move(self.book, self.target, self.source)


def _id(node: redis.Redis) -> str:
    return str(node.execute_command("CLUSTER", "MYID"))


@pytest.fixture
def move(book: Book) -> Iterator[Move]:
    """Begun by the test; the slot is where it was when the test is over."""
    enter()
    source = node_of(book, keys.portfolio(ACCOUNT))
    target = next(node for node in book.ledger_nodes if node is not source)
    made = Move(book, source, target)
    yield made
    for node in book.ledger_nodes:
        node.flushdb()
    for node in (source, *book.ledger_nodes):
        node.execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", _id(source))


def opens() -> str:
    state = load(ACCOUNT)
    return commit(state.portfolio, ACCOUNT, opened(state, order()), cause(answer={"ok": "yes"})).outcome


def test_a_slot_that_moved_is_followed(book: Book, move: Move) -> None:
    """The client's map of the slots is old: MOVED was refused unexecuted, so it is sent again, once."""
    move.begin()
    move.carry()
    move.finish()
    assert opens() == "DONE"
    assert [name for name, _ in contents(book)[keys.journal(ACCOUNT)]] == ["1-0", "2-0"]
    assert node_of(book, keys.journal(ACCOUNT)) is move.target


def test_a_slot_under_way_can_be_read_but_not_committed_to(book: Book, move: Move) -> None:
    """A commit names keys that are not there yet, so no node takes it while its slot moves; nothing is half done."""
    state = load(ACCOUNT)
    made = opened(state, order())
    for step in (move.begin, lambda: move.carry(keys.portfolio(ACCOUNT)), move.carry):
        step()
        with pytest.raises(LedgerUnavailable, match=r"sent it on 5 times .* nothing was done"):
            commit(state.portfolio, ACCOUNT, made, cause())
        assert load(ACCOUNT, [made.born[0].order_id]) == state
        assert book.keys() == sorted([keys.portfolio(ACCOUNT), keys.config(ACCOUNT), keys.journal(ACCOUNT)])
    move.finish()
    assert opens() == "DONE"


def test_other_accounts_go_on_while_a_slot_moves(book: Book, move: Move) -> None:
    other = SPREAD[1]
    enter(other)
    move.begin()
    move.carry(keys.portfolio(ACCOUNT))
    state = load(other)
    assert commit(state.portfolio, other, opened(state, order(other)), cause()).outcome == "DONE"


def test_one_node_without_its_scripts_and_one_that_refuses(book: Book) -> None:
    """Each call of a batch has its own fate; what one node refuses keeps no other from its answer."""
    for account in SPREAD:
        enter(account)
    one = node_of(book, keys.portfolio(SPREAD[0]))
    one.script_flush()
    broken = keys.portfolio(SPREAD[2])
    calls = [
        (keys.portfolio(SPREAD[0]), ("HGET", keys.portfolio(SPREAD[0]), "version")),
        (broken, ("LPUSH", broken, "x")),
        (keys.portfolio(SPREAD[1]), ("HGET", keys.portfolio(SPREAD[1]), "version")),
    ]
    answers = ledger().run_each(calls)
    assert (answers[0], type(answers[1]), answers[2]) == ("1", redis.ResponseError, "1")


def _all_say(book: Book, said: str) -> bool:
    return all(said in node.execute_command("CLUSTER", "INFO") for node in book.ledger_nodes)


@pytest.fixture
def without_a_slot(book: Book) -> Iterator[Callable[[], None]]:
    """Nobody serves the slot of ACCOUNT, so the cluster as a whole is down until it is served again."""
    enter()
    load(ACCOUNT)
    owner = node_of(book, keys.portfolio(ACCOUNT))
    yield lambda: _give_up(book)
    owner.execute_command("CLUSTER", "ADDSLOTS", SLOT)
    eventually(lambda: _all_say(book, "cluster_state:ok"), limit_s=30)


def _give_up(book: Book) -> None:
    for node in book.ledger_nodes:
        node.execute_command("CLUSTER", "DELSLOTS", SLOT)
    eventually(lambda: _all_say(book, "cluster_state:fail"), limit_s=30)


def test_a_cluster_that_is_down_did_nothing(book: Book, without_a_slot: Callable[[], None]) -> None:
    state = load(ACCOUNT)
    without_a_slot()
    with pytest.raises(LedgerUnavailable, match="nothing was done"):
        load(ACCOUNT)
    with pytest.raises(LedgerUnavailable, match="nothing was done"):
        commit(state.portfolio, ACCOUNT, opened(state, order()), cause())


@pytest.fixture
def without_its_source(move: Move, cluster: Cluster) -> Iterator[None]:
    """The slot has moved, and the node that had it is gone; the others go on without it."""
    for node in move.book.ledger_nodes:
        node.config_set("cluster-require-full-coverage", "no")
    move.begin()
    move.carry()
    move.finish()
    port = move.source.connection_pool.connection_kwargs["port"]
    (gone,) = (node for node in cluster.nodes if node.port == port)
    gone.kill()
    yield
    gone.start()
    eventually(lambda: _all_say(move.book, "cluster_state:ok"), limit_s=60)
    for node in move.book.ledger_nodes:
        node.config_set("cluster-require-full-coverage", "yes")


def test_a_whole_batch_is_sent_to_the_successor(book: Book, request: pytest.FixtureRequest) -> None:
    """The client's map names a node that is gone: nothing was sent, so all of it goes to who has the slot now."""
    key = keys.portfolio(ACCOUNT)
    assert ledger().one_node is False
    request.getfixturevalue("without_its_source")
    assert ledger().run([(key, ("HGET", key, "version"))] * 3) == ["1", "1", "1"]
