"""`python -m tests.proofs.trader`: trades without a pause on the servers the environment names, until SIGTERM.

A stand-in for every client: it makes prices, asks, and when it is told that something was not done or
may have been done it asks again with the same key until it knows. Each line it writes is JSON:
`{"done": order id, "verb": ...}` for what was acknowledged, `{"waits": why}` for each time it was not served.
"""

import json
import os
import random
import signal
import sys
import time
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import django

D = Decimal
PAUSE_S = 0.01
_SEQUENCE = count(1)


def trade(seed: int) -> None:
    from copytrading.kernel.ids import KINDS
    from orders.book import guard

    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    assert guard.clear() == []
    accounts = _seeded([*KINDS])
    chance, keys = random.Random(seed), count(1)
    held: dict[Any, list[str]] = {account: [] for account in accounts}
    for account in accounts:
        _served(partial(_deposit, account))
    while not stopping:
        bid = D("1.1000") + D(chance.randrange(-20, 21)) / 10_000
        account = chance.choice(accounts)
        command, order_id = _wish(account, held[account], bid, chance, f"k{next(keys)}")
        done = _served(lambda command=command, bid=bid: _quote(bid) and _carried_out(command))
        if done is not None:
            born = done.answer["order"]["order_id"]
            if not order_id:
                held[account].append(born)
            _say(done=born, verb=command.verb, version=done.answer["order"]["version"])
        elif order_id:
            held[account].remove(order_id)  # a level fired, or the rest was closed
        time.sleep(PAUSE_S)


def _seeded(kinds: list[str]) -> list[Any]:
    from orders.book import terms
    from tests.accounts import rows

    rows.group("retail", ignore_hours=True)
    rows.instrument("EURUSD")
    rows.offer("retail", "EURUSD", commission_kind="per_lot", commission_rate=D(7), commission_timing="both")
    terms.renew()
    return [rows.account(kind, f"{kind}{n}", sending_orders="rock").ref for kind in kinds for n in range(2)]


def _wish(account: Any, held: list[str], bid: Decimal, chance: random.Random, key: str) -> tuple[Any, str]:
    """A command, and the order it is about ("" when it gives birth to one)."""
    from copytrading.kernel.ids import OrderId
    from orders.messages import CloseOrder, OpenOrder, PlacePending, Protect

    asked: dict[str, Any] = {"account": account, "principal": "user:1", "key": key}
    if len(held) < 4 or chance.random() < 0.4:
        about = {**asked, "symbol": "EURUSD", "lots": D(chance.randrange(2, 11)) / 100}
        near, far = bid - D("0.0010"), bid + D("0.0025")
        if chance.random() < 0.6:
            return OpenOrder(**about, order_type="BUY", stop_loss=near, take_profit=far), ""
        return PlacePending(**about, order_type="BUY_LIMIT", order_price=near, stop_loss=near - D("0.0015")), ""
    order_id = chance.choice(held)
    asked["order_id"] = OrderId(order_id)
    if chance.random() < 0.5:
        return CloseOrder(**asked, lots=chance.choice([None, D("0.01")])), order_id
    return Protect(**asked, kind="take_profit", level=bid + D("0.0030")), order_id


def _deposit(account: Any) -> Any:
    from orders.messages import MoveMoney

    money: dict[str, Any] = {"kind": "deposit", "amount": D(1_000_000), "reason": "because"}
    return _carried_out(MoveMoney(account=account, principal="user:1", key="first", **money))


def _carried_out(command: Any) -> Any:
    """The answer, or None for a refusal that stands. Raises ConnectionError for one that may pass."""
    from copytrading.kernel.rejections import Rejection
    from orders.verbs import carry_out

    outcome = carry_out(command)
    if not isinstance(outcome, Rejection):
        return outcome
    if outcome.reason.transient:
        raise ConnectionError(outcome.reason.name)
    return None


def _quote(bid: Decimal) -> bool:
    """Each time anew: a market instance that was restarted knows no price."""
    from orders.book import quotes
    from orders.book.connection import market

    return quotes.publish(market(), "EURUSD", bid, bid + D("0.0002"), "trader", next(_SEQUENCE))


def _served(ask: Any) -> Any:
    """Asks until there is an answer."""
    import redis

    from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown

    while True:
        try:
            return ask()
        except (LedgerUnavailable, OutcomeUnknown, ConnectionError, redis.exceptions.RedisError) as error:
            _say(waits=f"{type(error).__name__}: {error}")
            time.sleep(0.05)


def _say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")
    django.setup()
    trade(int(sys.argv[1]))
