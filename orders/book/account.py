"""Load an account, and commit what was decided about it: the only way its state changes.

Invariants: the version read is older than, or the same as, everything read with it; a commit applies
only to that version; every commit leaves one journal entry whose id is the new version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from copytrading.kernel import clock
from copytrading.kernel.errors import InvariantBroken, LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import AccountRef
from orders.book import codec, keys
from orders.book.connection import Call, Ledger, ReplyLost, Script, ledger
from orders.rules.facts import Config, Deal, Order, Portfolio, Quote, Transfer
from orders.rules.halts import Halt
from orders.rules.lifecycle import TERMINAL

COMMAND_LIFE_S = 7 * 24 * 3600

_COMMIT = Script("commit.lua")


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    body_hash: str
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """One account as it was read. `orders` has the named ones that exist, or all live ones if asked for."""

    account: AccountRef
    portfolio: Portfolio
    config: Config
    orders: dict[str, Order]
    under_way: dict[str, dict[str, str]]
    stored: StoredAnswer | None
    epoch: int
    halts: tuple[Halt, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What one commit makes true. `portfolio` is complete; `orders` are those born or changed, complete."""

    portfolio: Portfolio
    born: tuple[Order, ...] = ()
    changed: tuple[Order, ...] = ()
    config: Config | None = None
    deals: tuple[Deal, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    departed: dict[str, dict[str, str]] = field(default_factory=dict)
    arrived: tuple[str, ...] = ()
    quotes: tuple[Quote, ...] = ()

    @property
    def orders(self) -> tuple[Order, ...]:
        """Those born, then those changed."""
        return (*self.born, *self.changed)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a commit happens: which command, by whom, until when its prices hold (0: no prices)."""

    verb: str
    command_id: str
    body_hash: str
    principal: str
    answer: dict[str, Any] | None = None
    valid_until_ms: int = 0
    note: str = ""


Outcome = Literal["DONE", "REPLAY", "MISMATCH", "EXPIRED", "CONFLICT", "EXISTS", "MISSING"]


@dataclass(frozen=True, slots=True)
class Result:
    outcome: Outcome
    stored: StoredAnswer | None = None


class NotInBook(LedgerUnavailable):
    """The account has no portfolio in the ledger: it was never there, or it was lost."""

    def __init__(self, account: AccountRef) -> None:
        super().__init__(f"account {account} is not in the book")
        self.account = account


def load(
    account: AccountRef,
    order_ids: Sequence[str] = (),
    command_id: str = "",
    *,
    all_orders: bool = False,
    book: Ledger | None = None,
) -> State:
    """Raises NotInBook, or LedgerUnavailable when the ledger does not answer."""
    book = book or ledger()
    calls: list[Call] = [
        _get(keys.portfolio(account), "HGETALL"),
        _get(keys.config(account), "HGETALL"),
        _get(keys.transfers(account), "HGETALL"),
        _get(keys.command(account, command_id or "0"), "GET"),
        _get(keys.TERMS_EPOCH, "GET"),
        _get(keys.HALTS, "HGETALL"),
    ]
    if all_orders:
        calls.append(_get(keys.orders_index(account), "SMEMBERS"))
    calls.extend(_get(keys.holding(account, order_id), "HGETALL") for order_id in order_ids)
    try:
        portfolio, config, under_way, stored, epoch, halts, *rest = book.run(calls)
        if not portfolio.get("version"):
            raise NotInBook(account)
        holdings = rest
        if all_orders:
            listed = sorted(rest[0])
            holdings = book.run([_get(keys.holding(account, order_id), "HGETALL") for order_id in listed])
    except ReplyLost as error:
        raise LedgerUnavailable(f"the ledger broke off while it was read ({error}); nothing was done") from error
    orders = [codec.decode(Order, written) for written in holdings if written]
    return State(
        account=account,
        portfolio=codec.decode_portfolio(portfolio),
        config=codec.decode(Config, config),
        orders={order.order_id: order for order in orders},
        under_way={transfer: codec.from_json(written) for transfer, written in under_way.items()},
        stored=_stored(stored) if command_id else None,
        epoch=int(epoch or 0),
        halts=tuple(codec.decode_halt(scope, written) for scope, written in halts.items()),
    )


def commit(
    before: Portfolio, account: AccountRef, changes: Changes, cause: Cause, *, book: Ledger | None = None
) -> Result:
    """Apply `changes` if the account is still as `before`. Raises OutcomeUnknown when the reply was lost."""
    book = book or ledger()
    try:
        answer = book.run([commit_call(before, account, changes, cause)])[0]
    except ReplyLost as error:
        raise OutcomeUnknown(cause.command_id) from error
    return _result(answer)


def commit_call(before: Portfolio, account: AccountRef, changes: Changes, cause: Cause) -> Call:
    """The one call that applies `changes`; batches send many of them in a pipeline."""
    after = changes.portfolio
    if after.version != before.version + 1 and cause.verb != "rebuilt":
        raise InvariantBroken(f"{account}: a commit moves the version by one, not {before.version} -> {after.version}")
    expected = "0" if cause.verb == "rebuilt" else str(before.version)
    stored = "" if cause.answer is None else f"{cause.body_hash}{codec.to_json(cause.answer)}"
    portfolio, orders = codec.encode_portfolio(after), [codec.encode(order) for order in changes.orders]
    argv: list[str] = [
        expected,
        str(after.version),
        str(cause.valid_until_ms),
        cause.body_hash,
        stored,
        str(COMMAND_LIFE_S),
        str(before.version),
        journal_body(changes, cause, portfolio, orders),
    ]
    gone = [codec.EXPOSURE_PREFIX + symbol for symbol in before.exposures if symbol not in after.exposures]
    for listed in (
        _flat(portfolio),
        gone,
        _flat(codec.encode(changes.config)) if changes.config else [],
        [],
        [],
        _flat({transfer: codec.to_json(values) for transfer, values in changes.departed.items()}),
        list(changes.arrived),
    ):
        argv.append(str(len(listed)))
        argv.extend(listed)
    for place, (order, fields) in enumerate(zip(changes.orders, orders, strict=True)):
        born, written = "N" if place < len(changes.born) else "C", _flat(fields)
        argv.extend((born, "0" if order.status in TERMINAL else "1", str(len(written)), *written))
    return _COMMIT.call(_commit_keys(account, changes, cause), argv)


def journal_body(changes: Changes, cause: Cause, portfolio: dict[str, str], orders: list[dict[str, str]]) -> str:
    """What became true, as JSON. Orders and portfolio are complete, so the latest entry is enough to rebuild from.

    Both are given as they were encoded, since the same is written to their own keys.
    """
    body: dict[str, Any] = {
        "verb": cause.verb,
        "at_ms": clock.now_ms(),
        "by": cause.principal,
        "command_id": cause.command_id,
        "body_hash": cause.body_hash,
        "note": cause.note,
        "portfolio": portfolio,
        "orders": orders,
        "deals": [codec.encode(deal) for deal in changes.deals],
        "transfers": [codec.encode(transfer) for transfer in changes.transfers],
        "quotes": [codec.encode(quote) for quote in changes.quotes],
        "departed": changes.departed,
        "arrived": list(changes.arrived),
    }
    if changes.config:
        body["config"] = codec.encode(changes.config)
    if cause.answer is not None:
        body["answer"] = cause.answer
    return codec.to_json(body)


def changed(portfolio: Portfolio, **values: Any) -> Portfolio:
    """The portfolio of the next version."""
    return replace(portfolio, version=portfolio.version + 1, **values)


def _get(key: str, command: str) -> Call:
    return key, (command, key)


def _flat(written: dict[str, str]) -> list[str]:
    return [item for pair in written.items() for item in pair]


def _commit_keys(account: AccountRef, changes: Changes, cause: Cause) -> list[str]:
    return [
        keys.portfolio(account),
        keys.journal(account),
        keys.command(account, cause.command_id),
        keys.orders_index(account),
        keys.config(account),
        keys.requests(account),
        keys.transfers(account),
        *(keys.holding(account, order.order_id) for order in changes.orders),
    ]


def _stored(written: str | None) -> StoredAnswer | None:
    if not written:
        return None
    cut = written.index("{")
    return StoredAnswer(written[:cut], codec.from_json(written[cut:]))


def _result(answer: list[Any]) -> Result:
    outcome: Outcome = answer[0]
    return Result(outcome, _stored(answer[1]) if outcome == "REPLAY" else None)
