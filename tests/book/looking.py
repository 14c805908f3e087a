"""A look at everything a ledger holds, past the code under test, and the smallest things to put there."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import redis

from copytrading.kernel.ids import AccountRef, order_id
from orders.book.account import Cause, Changes, State, changed, commit, commit_call, load
from orders.book.connection import Call
from orders.rules.facts import Config, Exposure, Order, Portfolio
from tests.fixtures.book import Book
from tests.fixtures.servers import TEST_MARK

D = Decimal
ACCOUNT = AccountRef("live", 17)
#: On each of the three nodes of the tests' cluster lies one of these.
SPREAD = (AccountRef("live", 17), AccountRef("live", 18), AccountRef("demo", 3), AccountRef("copy_follower", 5))
CONFIG = Config("retail", 100, "USD", "active", "rock", 1)


def contents(book: Book) -> dict[str, Any]:
    """Every key of the ledger with what it holds, to be read by people."""
    return {key: _value(node, key) for node in book.ledger_nodes for key in node.scan_iter() if key != TEST_MARK}


def keep(book: Book) -> Callable[[], None]:
    """The ledger as it is now; calling what is given puts it back, life times aside."""
    kept = [(node, {key: node.dump(key) for key in node.scan_iter()}) for node in book.ledger_nodes]

    def put_back() -> None:
        for node, dumps in kept:
            pipe = node.pipeline(transaction=False)
            for key in node.scan_iter():
                pipe.delete(key)
            for key, dumped in dumps.items():
                pipe.restore(key, 0, dumped or b"")
            pipe.execute()

    return put_back


def node_of(book: Book, key: str) -> redis.Redis:
    """The node that has `key`."""
    (node,) = (node for node in book.ledger_nodes if key in set(node.scan_iter()))
    return node


def enter(account: AccountRef = ACCOUNT, balance: str = "10000") -> State:
    """An account in the book at version 1, without a row in any table."""
    changes = Changes(Portfolio(version=1, ledger_id="L", balance=D(balance)), config=CONFIG)
    result = commit(Portfolio(version=0, ledger_id="L"), account, changes, Cause("entered", "", "", "system:test"))
    assert result.outcome == "DONE"
    return load(account)


def order(account: AccountRef = ACCOUNT, name: str = "a", **values: Any) -> Order:
    """An open BUY of half a lot."""
    given = {
        "symbol": "EURUSD", "order_type": "BUY", "side": "BUY", "status": "OPEN", "flow": "local",
        "lots": D("0.5"), "open_lots": D("0.5"), "filled_lots": D("0.5"), "open_cost": D("0.55015"),
        "open_price": D("1.1003"), "margin": D("550.15"), "version": 2, **values,
    }  # fmt: skip
    return Order(order_id=order_id(account, name), account=str(account), **given)


def cause(command_id: str = "CMD", verb: str = "open", **values: Any) -> Cause:
    return Cause(**{"verb": verb, "command_id": command_id, "body_hash": "BODY", "principal": "user:1", **values})


def opened(state: State, *born: Order) -> Changes:
    """What an open makes true."""
    exposures = dict(state.portfolio.exposures)
    for each in born:
        leg = exposures.get(each.symbol, Exposure())
        exposures[each.symbol] = leg.moved(each.side, each.open_lots, each.open_cost, each.margin)
    version = state.portfolio.version + 1
    return Changes(
        changed(state.portfolio, exposures=exposures), born=tuple(replace(each, version=version) for each in born)
    )


def with_argument(call: Call, place: int, value: str) -> Call:
    """The same call with one of its ARGV (counted from 0) as somebody else would have written it."""
    key, args = call
    at = 3 + int(args[2]) + place
    return key, (*args[:at], value, *args[at + 1 :])


def commit_as(state: State, changes: Changes, why: Cause, *, expected: str) -> Call:
    """A commit that expects the version written as `expected`."""
    return with_argument(commit_call(state.portfolio, state.account, changes, why), 0, expected)


def _value(node: redis.Redis, key: str) -> Any:
    read: dict[Any, Callable[[str], Any]] = {
        "string": node.get,
        "hash": node.hgetall,
        "set": lambda name: sorted(node.smembers(name)),
        "stream": node.xrange,
        "zset": lambda name: node.zrange(name, 0, -1, withscores=True),
    }
    return read[node.type(key)](key)
