"""Commits a second: our own encoding and pipeline against the same EVALSHA calls, packed before, on a bare socket.

    python -m benchmarks.commits
"""

import socket
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import hiredis

from benchmarks.place import SYMBOL, Place, place
from benchmarks.table import Row, show

if TYPE_CHECKING:
    from copytrading.kernel.ids import AccountRef
    from orders.book.connection import Call

ACCOUNTS = 2_000
TURNS = 3
IN_FLIGHT = 250
SINGLE = 1_000


def measure(at: Place) -> list[Row]:
    ours, raw = [], []
    for turn in range(TURNS):
        ours.append(_ours(list(decided(at.accounts, f"ours{turn}"))))
        raw.append(_raw(list(decided(at.accounts, f"raw{turn}"))))
    rate, limit = max(ours), max(raw)
    single, bare = _single(at.accounts[0])
    return [
        Row(
            "commits", f"a second, in batches of {IN_FLIGHT}: encoded, sent, read", rate, "1/s", limit,
            "the same EVALSHA, packed before, on a bare socket", rate / limit, ">= 0.5",
        ),
        Row(
            "one order", "opened through the verb, one after another", single, "ms", bare,
            "as many bytes on bare sockets", single / bare, "",
        ),
    ]  # fmt: skip


def decided(accounts: "Sequence[AccountRef]", key: str) -> "Iterator[Any]":
    """For each account, what opening an order would commit; nothing is committed yet."""
    from orders.book.account import Cause
    from orders.verbs.attempt import Decision, Gathered, Needs, body_hash, gather
    from orders.verbs.open import _decide

    for account in accounts:
        command = buy(account, key)
        gathered = gather(account, f"{key}:{account}", Needs(symbols=(SYMBOL,)))
        assert isinstance(gathered, Gathered)
        decision = _decide(command, gathered)
        assert isinstance(decision, Decision), decision
        cause = Cause("open", gathered.command_id, body_hash(command), command.principal, decision.answer)
        yield gathered.state.portfolio, account, decision.changes, cause


def buy(account: "AccountRef", key: str) -> Any:
    from decimal import Decimal

    from orders.messages import OpenOrder

    levels: dict[str, Any] = {"stop_loss": Decimal("1.0500"), "take_profit": Decimal("1.2000")}
    named: dict[str, Any] = {"account": account, "principal": "user:1", "key": key}
    return OpenOrder(**named, symbol=SYMBOL, order_type="BUY", lots=Decimal("0.01"), **levels)


def _ours(commits: Sequence[Any]) -> float:
    from orders.book.account import commit_call
    from orders.book.connection import ledger

    began = perf_counter()
    for at in range(0, len(commits), IN_FLIGHT):
        answers = ledger().run([commit_call(*each) for each in commits[at : at + IN_FLIGHT]])
        assert all(answer[0] == "DONE" for answer in answers)
    return len(commits) / (perf_counter() - began)


def _raw(commits: Sequence[Any]) -> float:
    from orders.book.account import commit_call

    calls = [packed(commit_call(*each)) for each in commits]
    batches = [calls[at : at + IN_FLIGHT] for at in range(0, len(calls), IN_FLIGHT)]
    sent = [(b"".join(batch), len(batch)) for batch in batches]
    with Wire() as wire:
        began = perf_counter()
        for data, count in sent:
            assert all(answer[0] == b"DONE" for answer in wire.ask(data, count))
        return len(commits) / (perf_counter() - began)


def _single(account: "AccountRef") -> tuple[float, float]:
    """Milliseconds an order, through the verb and as its bare bytes, played back one round trip after another."""
    from redis.connection import AbstractConnection

    from orders.messages import Done
    from orders.verbs import carry_out

    sent: list[tuple[Any, bytes]] = []
    send: Any = AbstractConnection.send_packed_command

    def noted(self: Any, command: Any, *args: Any, **named: Any) -> Any:
        sent.append((self, b"".join(command) if isinstance(command, list) else command))
        return send(self, command, *args, **named)

    began = perf_counter()
    for number in range(SINGLE):
        assert isinstance(carry_out(buy(account, f"single{number}")), Done)
    ours = (perf_counter() - began) / SINGLE * 1_000
    AbstractConnection.send_packed_command = noted  # type: ignore[method-assign]
    try:
        assert isinstance(carry_out(buy(account, "noted")), Done)
    finally:
        AbstractConnection.send_packed_command = send  # type: ignore[method-assign]
    played = []
    for connection, data in sent:
        commands = _commands_in(data)
        again = b"".join(hiredis.pack_command(tuple(command)) for command in commands)
        played.append(("ledger" in str(connection.repr_pieces()), again, len(commands)))
    with Wire() as wire, Wire("MARKET_URL") as prices:
        began = perf_counter()
        for _ in range(SINGLE):
            for to_ledger, data, count in played:
                (wire if to_ledger else prices).ask(data, count)
        return ours, (perf_counter() - began) / SINGLE * 1_000


def _commands_in(data: bytes) -> list[Any]:
    """A script can't be played back: sent again it does nothing. An XADD of its size is written instead."""
    reader = hiredis.Reader()
    reader.feed(data)
    found = []
    while (command := reader.gets()) is not False:
        script = command[0] == b"EVALSHA"
        found.append([b"XADD", b"queue:bench", b"*", b"body", b"".join(command)] if script else command)
    return found


def packed(call: "Call") -> bytes:
    return hiredis.pack_command(tuple(call[1]))


class Wire:
    """A bare socket to one of the two Redis servers."""

    def __init__(self, setting: str = "LEDGER_URL") -> None:
        from django.conf import settings

        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(urlsplit(getattr(settings, setting)).path)
        self._reader = hiredis.Reader()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, data: bytes, count: int) -> list[Any]:
        self._socket.sendall(data)
        answers: list[Any] = []
        while len(answers) < count:
            answer = self._reader.gets()
            if answer is False:
                self._reader.feed(self._socket.recv(1 << 16))
            else:
                answers.append(answer)
        return answers


if __name__ == "__main__":
    with place(ACCOUNTS) as made:
        show(measure(made))
