"""What the API says when something breaks under it: nothing done, perhaps done, or our own fault; never HTML."""

import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from copytrading.kernel.ids import LIVE
from orders.book import connection, keys
from orders.book.account import load
from orders.recorder import record
from tests.api.away import postgresql_away
from tests.fixtures.desk import CLOSE, EXECUTE, Desk

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5"}


class Cutter:
    """A way to a Redis that passes everything on, until told to let a commit through and lose its reply."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self.cutting = False
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        credentials = f"{self._to.netloc.rpartition('@')[0]}@" if "@" in self._to.netloc else ""
        database = "/0" if self._to.scheme == "unix" else self._to.path
        self.url = f"redis://{credentials}127.0.0.1:{self._listener.getsockname()[1]}{database}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _connect(self) -> socket.socket:
        if self._to.scheme != "unix":
            return socket.create_connection((self._to.hostname or "127.0.0.1", self._to.port or 6379))
        made = socket.socket(socket.AF_UNIX)
        made.connect(self._to.path)
        return made

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, self._connect() as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            committing = False
            while True:
                for key, _ in ready.select():
                    source: Any = key.fileobj
                    data = source.recv(65536)
                    if not data:
                        return
                    committing = committing or (source is client and b"EVALSHA" in data)
                    if source is server and committing and self.cutting:
                        self.cut += 1
                        return
                    key.data.sendall(data)


@pytest.fixture
def cutter(desk: Desk, settings: Any) -> Iterator[Cutter]:
    """Between the book and its Redis, from here on."""
    given = settings.LEDGER_URL
    made = Cutter(given)
    settings.LEDGER_URL = made.url
    connection.close_all()
    yield made
    settings.LEDGER_URL = given
    connection.close_all()
    made.close()


def test_a_lost_reply_is_told_as_unknown_and_the_same_key_tells_what_became_of_it(desk: Desk, cutter: Cutter) -> None:
    body = {**desk.at(LIVE), **BUY}
    cutter.cutting = True
    lost = desk.post(EXECUTE, body)
    cutter.cutting = False

    assert cutter.cut == 1
    assert lost.status_code == 503
    problem = lost.json()
    assert {name: problem[name] for name in ("ok", "reason", "outcome")} == {
        "ok": False,
        "reason": "outcome_unknown",
        "outcome": "unknown",
    }
    assert len(problem["command_id"]) == 26
    assert lost["Retry-After"] == "1"

    again = desk.post(EXECUTE, body, **{"Idempotency-Key": problem["idempotency_key"]})

    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    orders = load(desk.accounts[LIVE].ref, all_orders=True).orders
    assert list(orders) == [again.json()["order"]["order_id"]]


def test_an_order_the_book_has_let_go_is_shown_from_the_record_as_it_was(desk: Desk) -> None:
    order = desk.buy(stop_loss="1.0950")
    closed = desk.post(CLOSE, {**desk.at(LIVE), "order_id": order}).json()["order"]
    record([desk.accounts[LIVE].ref])
    assert desk.book.ledger.delete(keys.holding(desk.accounts[LIVE].ref, order)) == 1

    answer = desk.get(f"/api/orders/{order}")

    assert answer.status_code == 200
    assert answer.json()["order"] == closed
    with postgresql_away():
        away = desk.get(f"/api/orders/{order}")
        assert (away.status_code, away.json()["reason"]) == (503, "record_unavailable")


def test_an_order_is_shown_by_the_book_while_postgresql_is_away(desk: Desk) -> None:
    order = desk.buy()

    with postgresql_away():
        assert desk.get(f"/api/orders/{order}").status_code == 200
        assert desk.get(f"/api/accounts/live/{desk.accounts[LIVE].pk}").status_code == 200


def test_a_fault_of_ours_is_a_500_in_json_that_tells_nothing_of_it(desk: Desk) -> None:
    desk.book.ledger.hset(keys.portfolio(desk.accounts[LIVE].ref), "balance", "no-number-at-all")
    desk.client = Client(raise_request_exception=False)

    for answer in (
        desk.post(EXECUTE, {**desk.at(LIVE), **BUY}),
        desk.get(f"/api/accounts/live/{desk.accounts[LIVE].pk}"),
    ):
        assert answer.status_code == 500
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["reason"] == "internal_error"
        assert b"no-number-at-all" not in answer.content
