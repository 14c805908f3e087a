"""Many hands that trade all four kinds of account through the web, each until it knows what became of what it asked."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from copytrading.kernel.ids import DEMO
from tests.fixtures.customer import Answer, Customer, NoAnswer
from tests.fixtures.waiting import eventually
from tests.soak.office import Office, is_final
from tests.soak.site import ANSWER_LIMIT_S, Site, rest
from tests.soak.truth import ACCOUNTS, Truth, orders_in

D = Decimal
HANDS = 8
#: How long a hand goes on asking; nothing that is done here takes the stack away for so long.
PATIENCE_S = 150.0
#: One in so many acknowledged commands is sent again with its key.
AGAIN = 4
#: With so many open orders an account opens no more.
MOST_OPEN = 12

#: Who may trade which account; the dealer all of them.
OWNERS = {"live:1": "trader", "demo:1": "trader", "strategy_provider:1": "strategist"}
SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY")
#: Symbol -> how far levels are from the market, and the number of decimals.
DISTANCE = {"EURUSD": (D("0.00012"), 5), "GBPUSD": (D("0.00015"), 5), "USDJPY": (D("0.015"), 3)}
#: Refusals that trading brings with it. Any other is a difference: what was acknowledged must be found, for one.
EXPECTED = {
    "insufficient_margin", "insufficient_funds", "order_not_open", "order_not_pending", "stop_not_set",
    "invalid_price_side", "invalid_stop_loss", "invalid_take_profit", "invalid_order_quantity",
}  # fmt: skip
#: Of these, what is said of an order that ended meanwhile: a level fired, or another hand was quicker.
ENDED = ("order_not_open", "order_not_pending")

Body = dict[str, Any]


@dataclass
class Load:
    """`orders` are the live ones, as they were told of last.

    `doubts` ask again what was refused although an earlier asking of the same had no answer and may still be done.
    """

    site: Site
    truth: Truth
    seed: int
    rate: int
    orders: dict[str, Body] = field(default_factory=dict)
    doubts: list[Callable[[], None]] = field(default_factory=list)
    reads: int = 0
    repeats: int = 0

    def __post_init__(self) -> None:
        self.office = Office(f"http://127.0.0.1:{self.site.stack.port}", self.site.password, ANSWER_LIMIT_S)
        self.going, self.over = threading.Event(), threading.Event()
        self.hands = [Hand(self, number) for number in range(HANDS)]

    def begin(self) -> None:
        self.going.set()
        for hand in self.hands:
            hand.start()

    def pause(self) -> None:
        """Returns when nothing that was asked is without an answer. Doubts are resolved: nobody else asks now."""
        self.going.clear()
        eventually(lambda: all(hand.idle.is_set() for hand in self.hands), limit_s=PATIENCE_S + 60, poll_s=0.1)
        if self.doubts:
            rest(ANSWER_LIMIT_S)  # what the web still has of them is done by now, or never will be
        while self.doubts:
            self.doubts.pop()()

    def learn(self, orders: Iterable[Body]) -> None:
        """What ended is forgotten."""
        for order in orders:
            if order["order_status"] in ("OPEN", "PENDING"):
                self.orders[order["order_id"]] = order
            else:
                self.orders.pop(order["order_id"], None)

    def resume(self) -> None:
        self.going.set()

    def end(self) -> None:
        self.over.set()
        self.going.set()
        for hand in self.hands:
            hand.join(PATIENCE_S)

    def goes_on(self, more: int, limit_s: float) -> float:
        """Seconds until so many more commands are acknowledged."""
        began, before = time.monotonic(), self.truth.acknowledged
        eventually(lambda: self.truth.acknowledged >= before + more, limit_s=limit_s, poll_s=0.05)
        return time.monotonic() - began


class Hand(threading.Thread):
    """One client with a die of its own."""

    def __init__(self, load: Load, number: int) -> None:
        super().__init__(name=f"hand {number}", daemon=True)
        self.load, self.number = load, number
        self.chance = Random(f"{load.seed} {number}")
        self.idle = threading.Event()
        self._count = 0

    def run(self) -> None:
        while not self.load.over.is_set():
            self.idle.set()
            self.load.going.wait()
            self.idle.clear()
            if self.load.over.is_set() or not self.load.going.is_set():
                continue
            try:
                self._act()
            except Exception as error:  # a thread that dies silently would look like a quiet day
                self.load.truth.complain(f"{self.name}: {type(error).__name__}: {error}")
            rest(self.chance.uniform(0, 2 * HANDS / self.load.rate))
        self.idle.set()

    def _act(self) -> None:
        acts: list[tuple[Callable[[str], None], int]] = [
            (self.open, 8), (self.place, 5), (self.modify, 3), (self.cancel, 3), (self.stop, 3), (self.take, 2),
            (self.close_part, 3), (self.close, 4), (self.close_all, 1), (self.deposit, 1), (self.withdraw, 1),
            (self.transfer, 1), (self.read, 4),
        ]  # fmt: skip
        (act,) = self.chance.choices([act for act, _ in acts], [weight for _, weight in acts])
        act(self.chance.choice(ACCOUNTS))

    # What a hand does

    def open(self, account: str) -> None:
        if len(self._live(account, "OPEN")) >= MOST_OPEN:
            return self.close(account)
        order = {**self._new(), "order_type": self.chance.choice(["BUY", "SELL"])}
        return self._ask(account, "/api/orders/instant/execute", order, birth=True)

    def place(self, account: str) -> None:
        if len(self._live(account, "PENDING")) >= MOST_OPEN:
            return self.cancel(account)
        new, order_type = self._new(), self.chance.choice(["BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP"])
        price = self._near(account, new["symbol"], -1 if order_type in ("BUY_LIMIT", "SELL_STOP") else 1)
        if price is None:
            return None
        order = {**new, "order_type": order_type, "order_price": price}
        return self._ask(account, "/api/orders/pending/place", order, birth=True)

    def modify(self, account: str) -> None:
        for order in self._one(account, "PENDING"):
            down = order["order_type"] in ("BUY_LIMIT", "SELL_STOP")
            if price := self._near(account, order["symbol"], -1 if down else 1):
                self._about(order, "/api/orders/pending/modify", order_price=price)

    def cancel(self, account: str) -> None:
        for order in self._one(account, "PENDING"):
            self._about(order, "/api/orders/pending/cancel")

    def stop(self, account: str) -> None:
        for order in self._one(account, "OPEN"):
            if order["stop_loss"] and self.chance.random() < 0.5:
                self._about(order, "/api/orders/stoploss/cancel")
            elif price := self._near(account, order["symbol"], -1 if order["side"] == "BUY" else 1):
                self._about(order, "/api/orders/stoploss/add", stop_loss=price)

    def take(self, account: str) -> None:
        for order in self._one(account, "OPEN"):
            if price := self._near(account, order["symbol"], 1 if order["side"] == "BUY" else -1):
                self._about(order, "/api/orders/takeprofit/add", take_profit=price)

    def close_part(self, account: str) -> None:
        for order in self._one(account, "OPEN"):
            self._about(order, "/api/orders/close", order_quantity="0.01")

    def close(self, account: str) -> None:
        for order in self._one(account, "OPEN"):
            self._about(order, "/api/orders/close")

    def close_all(self, account: str) -> None:
        only = {"symbol": self.chance.choice(SYMBOLS)} if self.chance.random() < 0.7 else {}
        self._ask(account, "/api/orders/close-all", only)

    def deposit(self, account: str) -> None:
        self._move(account, "deposit", 500)

    def withdraw(self, account: str) -> None:
        self._move(account, "withdrawal", 50)

    def transfer(self, account: str) -> None:
        """A form of the admin is pressed again until it is known what became of it. It takes no play money."""
        if self.load.office.shut or account.startswith(DEMO):
            return self.read(account)
        other = self.chance.choice([each for each in ACCOUNTS if each != account and not each.startswith(DEMO)])
        return self._transfer(account, other, self._amount(50), self._key())

    def read(self, account: str) -> None:
        """Looks at what somebody would look at. What it learns of orders it goes by."""
        kind, _, number = account.partition(":")
        of_account = f"user_type={kind}&user_id={number}"
        live = f"/api/orders?{of_account}&status=OPEN,PENDING&limit=100"
        paths = [live, live, f"/api/accounts/{kind}/{number}", f"/api/deals?{of_account}", f"/api/quotes?{of_account}"]
        path = self.chance.choice(paths)
        if (answer := self._look(path)) and path == live:
            self.load.learn(answer.body["orders"])

    # How it asks

    def _ask(self, account: str, path: str, body: Body, *, birth: bool = False) -> None:
        kind, _, number = account.partition(":")
        asker = self.chance.choice([name for name in (OWNERS.get(account), "dealer") if name])
        self._until_known(asker, path, {"user_type": kind, "user_id": int(number), **body}, self._key(), birth=birth)

    def _about(self, order: Body, path: str, **values: str) -> None:
        self._ask(f"{order['user_type']}:{order['user_id']}", path, {"order_id": order["order_id"], **values})

    def _until_known(self, asker: str, path: str, body: Body, key: str, *, birth: bool = False) -> None:
        try:
            answer = self._customer(asker).until_known(path, body, key, PATIENCE_S)
        except NoAnswer as error:
            self.load.truth.complain(f"not served: {error}")
            return
        if answer.doubtful:
            self.load.doubts.append(lambda: self._until_known(asker, path, body, key, birth=birth))
        elif self._told(asker, body, key, answer, birth=birth) and self.chance.randrange(AGAIN) == 0:
            self._again(asker, path, body, key)

    def _told(self, asker: str, body: Body, key: str, answer: Answer, *, birth: bool) -> bool:
        """Whether it was done."""
        if not answer.done:
            if answer.reason not in EXPECTED:
                self.load.truth.complain(f"key {key} of {asker} was refused: {answer.body}")
            if answer.reason in ENDED:
                self.load.orders.pop(str(body.get("order_id")), None)
            return False
        self.load.truth.acknowledge(asker, key, answer.body, birth=birth)
        self.load.learn(orders_in(answer.body))
        return True

    def _again(self, asker: str, path: str, body: Body, key: str) -> None:
        """On purpose: the answer must be the one that was given."""
        self.load.repeats += 1
        answer = self._customer(asker).until_known(path, body, key, PATIENCE_S)
        if not answer.done:
            self.load.truth.complain(f"key {key} of {asker} was acknowledged, and then refused: {answer.body}")
        else:
            self._told(asker, body, key, answer, birth=False)

    def _move(self, account: str, kind: str, most: int) -> None:
        key, amount = self._key(), self._amount(most)
        path = f"/api/accounts/{account.replace(':', '/')}/transfers"
        self._move_until_known(path, {"kind": kind, "amount": amount, "reason": key}, key)

    def _move_until_known(self, path: str, body: Body, key: str) -> None:
        answer = self._customer("dealer").until_known(path, body, key, PATIENCE_S)
        if answer.doubtful:
            self.load.doubts.append(lambda: self._move_until_known(path, body, key))
        elif answer.done:
            self.load.truth.acknowledge_move(key, body["kind"], body["amount"])
        elif answer.reason not in EXPECTED:
            self.load.truth.complain(f"{body['kind']} {key} was refused: {answer.body}")

    def _transfer(self, source: str, destination: str, amount: str, key: str) -> None:
        deadline, doubtful = time.monotonic() + PATIENCE_S, False
        while True:
            try:
                reason = self.load.office.transfer(source, destination, amount, key)
                if is_final(reason):
                    break
                doubtful = doubtful or reason == "outcome_unknown"
            except NoAnswer as error:
                reason, doubtful = str(error), True
            if time.monotonic() > deadline:
                self.load.truth.complain(f"transfer {key} was not served: {reason}")
                return
            rest(0.3)
        if not reason:
            self.load.truth.acknowledge_move(key, "transfer", amount)
        elif reason not in EXPECTED:
            self.load.truth.complain(f"transfer {key} was refused: {reason}")
        elif doubtful:
            self.load.doubts.append(lambda: self._transfer(source, destination, amount, key))

    def _look(self, path: str) -> Answer | None:
        try:
            answer = self._customer("dealer").get(path)
        except NoAnswer:
            return None
        self.load.reads += 1
        if answer.status == 500:
            self.load.truth.complain(f"{path} was answered {answer.body}")
        return answer if answer.done else None

    # What it asks for

    def _customer(self, name: str) -> Customer:
        return self.load.site.people[name]

    def _key(self) -> str:
        self._count += 1
        return f"soak-{self.number}-{self._count}"

    def _new(self) -> Body:
        lots = D(self.chance.randrange(1, 6)) / 100
        return {"symbol": self.chance.choice(SYMBOLS), "order_quantity": str(lots)}

    def _amount(self, most: int) -> str:
        return str(D(self.chance.randrange(100, 100 * most)) / 100)

    def _live(self, account: str, status: str) -> list[Body]:
        kind, _, number = account.partition(":")
        named = (kind, int(number), status)
        orders = list(self.load.orders.values())
        return [each for each in orders if (each["user_type"], each["user_id"], each["order_status"]) == named]

    def _one(self, account: str, status: str) -> list[Body]:
        """An order of this status, as far as anybody here knows; none if there is none."""
        live = sorted(self._live(account, status), key=lambda order: str(order["order_id"]))
        return [self.chance.choice(live)] if live else []

    def _near(self, account: str, symbol: str, direction: int) -> str | None:
        """A price that is so near that the market may come there; None while what is quoted is no price to go by."""
        kind, _, number = account.partition(":")
        answer = self._look(f"/api/quotes?user_type={kind}&user_id={number}&symbol={symbol}")
        quote = next(iter(answer.body["quotes"]), None) if answer else None
        if quote is None or not quote["tradable"]:
            return None
        away, digits = DISTANCE[symbol]
        middle = (D(quote["bid"]) + D(quote["ask"])) / 2
        return str(round(middle + direction * away * D(self.chance.randrange(100, 400)) / 100, digits))
