"""The real web server over HTTP: one key twenty times at once, and SIGKILL in the middle of requests."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from subprocess import DEVNULL, STDOUT, Popen
from typing import Any

import pytest

from copytrading import env
from copytrading.env import BASE_DIR
from tests.book.together import at_once
from tests.fixtures.customer import Answer, Customer, NoAnswer
from tests.fixtures.desk import CLOSE_ALL, EXECUTE
from tests.fixtures.servers import Stand
from tests.fixtures.stack import free_port
from tests.fixtures.waiting import eventually
from tests.proofs import record
from tests.proofs.day import PATIENCE_S, unindexed
from workers.stack.processes import processes

pytestmark = pytest.mark.timeout(300)

ACCOUNT = {"user_type": "live", "user_id": 1}
BUY = {**ACCOUNT, "symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.01"}
HANDS = 8


@dataclass
class Site:
    """A web with two worker processes on a stand, started as `manage.py stack` starts it, and one dealer's key."""

    stand: Stand
    port: int
    dealer: Customer
    _web: list[Popen[bytes]] = field(default_factory=list)

    def open_up(self) -> None:
        """Returns when it serves."""
        environ = self.stand.environ | {"WEB_PORT": str(self.port), "WEB_WORKERS": "2"}
        (command,) = [each.command for each in processes(env.read(environ)) if each.name == "web"]
        with (self.stand.folder / "logs" / "web.log").open("ab") as log:
            web = Popen(
                command, cwd=BASE_DIR, env=environ, stdin=DEVNULL, stdout=log, stderr=STDOUT, start_new_session=True
            )
        self._web.append(web)
        eventually(self.serves, limit_s=PATIENCE_S, poll_s=0.1)

    def serves(self) -> bool:
        try:
            return self.dealer.get("/api/quotes?user_type=live&user_id=1&symbol=EURUSD").done
        except NoAnswer:
            return False

    def kill(self) -> None:
        """Its master and its workers, at once."""
        for web in self._web:
            os.killpg(web.pid, signal.SIGKILL)
            web.wait()
        self._web.clear()

    def orders(self) -> set[str]:
        """Live orders in the ledger."""
        client = self.stand.ledger.client()
        found = {str(each) for each in client.smembers("user_orders_index:{live:1}")}
        client.close()
        return found


@pytest.fixture
def site(stand: Stand) -> Iterator[Site]:
    """The demo's accounts, prices, and 10,000 USD on the live one."""
    assert stand.manage("seed_demo", "--password", "a proof of it").wait(PATIENCE_S) == 0
    assert stand.manage("create_api_key", "dealer", "--scopes", "read,trade,dealer").wait(PATIENCE_S) == 0
    for worker in ("sweeper", "market_feed", "worker_record"):
        stand.manage(worker)
    said = (stand.folder / "logs" / "create_api_key.log").read_text().splitlines()
    (secret,) = [line for line in said if not line.startswith(("Key ", "{"))]
    port = free_port()
    made = Site(stand, port, Customer(port, secret))
    try:
        made.open_up()
        money = {"kind": "deposit", "amount": "10000", "reason": "begin"}
        assert made.dealer.until_known("/api/accounts/live/1/transfers", money, "begin").done
        yield made
    finally:
        made.kill()


def test_one_key_twenty_times_at_once(site: Site) -> None:
    """Over HTTP and over two processes: one order, twenty equal answers."""
    asks: list[Callable[[], Answer]] = [partial(site.dealer.post, EXECUTE, BUY, "same")] * 20
    answers = at_once(asks)
    assert [(answer.status, answer.body) for answer in answers] == [(201, answers[0].body)] * 20
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
    assert site.orders() == {answers[0].body["order"]["order_id"]}


def test_killed_in_the_middle_of_requests(site: Site) -> None:
    """What was acknowledged is there; what was not is there once or not at all; its key tells which, afterwards."""
    known: dict[str, Any] = {}
    for number in range(3):
        answered, silent = storm(site, f"round{number}", until=10 + 15 * number)
        assert len(silent) > 0
        known |= {key: answer.body["order"]["order_id"] for key, answer in answered.items()}
        site.open_up()
        before = site.orders()
        assert set(known.values()) <= before
        assert len(before) <= len(known) + len(silent)
        for key in silent:
            answer = site.dealer.until_known(EXECUTE, BUY, key)
            assert answer.status == 201
            assert answer.replayed == (answer.body["order"]["order_id"] in before)
            known[key] = answer.body["order"]["order_id"]
        assert site.orders() == set(known.values())
        assert len(set(known.values())) == len(known)
    check_the_record(site, set(known.values()))


def storm(site: Site, name: str, until: int) -> tuple[dict[str, Answer], list[str]]:
    """Opens from many hands at once, each asked for once; the web is killed when so many were answered."""
    answered: dict[str, Answer] = {}
    silent: list[str] = []

    def ask(hand: int) -> None:
        for turn in range(100):
            key = f"{name}.{hand}.{turn}"
            try:
                answer = site.dealer.post(EXECUTE, BUY, key)
            except NoAnswer:
                silent.append(key)
                return
            if answer.done:
                answered[key] = answer
            else:  # too many hands on one account
                assert answer.reason == "conflict"

    with ThreadPoolExecutor(HANDS) as hands:
        asking = [hands.submit(ask, hand) for hand in range(HANDS)]
        eventually(lambda: len(answered) >= until, limit_s=PATIENCE_S)
        site.kill()
        for each in asking:
            each.result()
    return answered, silent


def check_the_record(site: Site, orders: set[str]) -> None:
    assert site.dealer.until_known(CLOSE_ALL, ACCOUNT, "the-end").done
    ended = "SELECT order_id FROM orders_order WHERE status = 'CLOSED'"
    eventually(lambda: {order_id for (order_id,) in site.stand.query(ended)} == orders, limit_s=PATIENCE_S)
    assert record.done_twice(site.stand.query) == []
    eventually(lambda: not unindexed(site.stand.ledger.client()), limit_s=PATIENCE_S)
    audit = site.stand.manage("audit")
    assert audit.wait(PATIENCE_S) == 0, (site.stand.folder / "logs" / "audit.log").read_text()
