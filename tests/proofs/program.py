"""A random program: commands, deaths, lost replies and redeliveries on a few accounts, held against a model."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection
from redis.exceptions import RedisError

from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.ids import AccountRef, OrderId, command_id
from copytrading.kernel.rejections import Rejection
from orders import recorder
from orders.book import quotes
from orders.book.account import load
from orders.book.connection import ReplyLost, ledger
from orders.book.streams import announcement
from orders.messages import (
    CancelPending,
    CloseOrder,
    Command,
    Configure,
    Done,
    Fire,
    ModifyPending,
    MoveMoney,
    OpenOrder,
    PlacePending,
    Protect,
    TransferBetween,
)
from orders.rules.facts import Exposure
from orders.verbs import carry_out
from tests.fixtures.book import forget
from tests.fixtures.floor import Floor
from tests.proofs.by_hand import sweep
from tests.proofs.model import Model, Order
from tests.proofs.steps import Crash, cut, ends_at, watched
from workers.queues.record import RecordWorker

D = Decimal
#: A verb and its values.
Wish = tuple[str, dict[str, Any]]
MISMATCH = "idempotency_mismatch"
COMMANDS: dict[str, type[Command]] = {
    "open": OpenOrder,
    "place": PlacePending,
    "modify": ModifyPending,
    "cancel": CancelPending,
    "close": CloseOrder,
    "protect": Protect,
    "fire": Fire,
    "deposit": MoveMoney,
    "withdrawal": MoveMoney,
    "transfer": TransferBetween,
    "configure": Configure,
}


@dataclass
class Asked:
    """A command as a client remembers it, and the answer once he has one."""

    name: str
    verb: str
    values: dict[str, Any]
    command: Command
    answer: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        command = self.command
        return command_id(command.principal, command.account, command.verb, command.key)


@dataclass
class Transit:
    """A transfer between its three commits."""

    source: str
    destination: str
    amount: Decimal
    id: str
    arrived: bool = False


@dataclass
class Program:
    floor: Floor
    seed: int
    refs: dict[str, AccountRef]
    asked: list[Asked] = field(default_factory=list)
    transits: list[Transit] = field(default_factory=list)
    faults: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.model = Model(list(self.refs))
        self._keys = iter(range(10**9))
        self.tick()
        for name in self.refs:
            self.ask(name, "deposit", amount=D(10_000))

    def run(self, steps: int) -> None:
        ways: list[tuple[Callable[[], None], int]] = [
            (self.tick, 12), (self.trade, 60), (self.ask_again, 8), (self.ask_differently, 2),
            (self.record, 7), (self.work, 7), (self.sweep, 4),
        ]  # fmt: skip
        for way in self.random.choices([way for way, _ in ways], [weight for _, weight in ways], k=steps):
            way()
            self.look()

    # What a program does

    def tick(self) -> None:
        self.model.bid = D(self.random.randrange(10_800, 11_201)) / 10_000
        self.model.ask = self.model.bid + D("0.0002")
        self.floor.quote(str(self.model.bid), str(self.model.ask))

    def trade(self) -> None:
        name = self.random.choice(list(self.refs))
        verb, values = self.wish(name)
        if verb == "fire":
            self.floor.quote(str(self.model.bid), str(self.model.ask))  # no older than the level
        self.ask(name, verb, faulty=self.random.random() < 0.5, **values)

    def wish(self, name: str) -> Wish:
        """Something to ask of an account, sensible or not."""
        orders = self.model.accounts[name].orders
        live = [id_ for id_, order in orders.items() if order.status in ("OPEN", "PENDING")]
        if self.random.random() < 0.1:
            live = list(orders)
        if live and self.random.random() < 0.65:
            order_id = self.random.choice(live)
            return self.wish_for_order(order_id, orders[order_id])
        return self.random.choice([self.wish_to_open, self.wish_to_open, lambda: self.wish_for_account(name)])()

    def wish_to_open(self) -> Wish:
        lots, pick = D(self.random.randrange(1, 300)) / 100, self.random.choice
        at_market = {"order_type": pick(["BUY", "SELL"]), "stop_loss": self.maybe(), "take_profit": self.maybe()}
        resting = {"order_type": pick(["BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP"]), "order_price": self.near()}
        births: list[Wish] = [("open", {"lots": lots, **at_market}), ("place", {"lots": lots, **resting})]
        return pick(births)

    def wish_for_account(self, name: str) -> Wish:
        pick = self.random.choice
        amount = D(self.random.randrange(1, 600_000)) / 100
        settings = {
            "leverage": pick([50, 100, 200]),
            "group": pick(["retail", "prime"]),
            "status": pick(["active"] * 6 + ["close_only", "read_only", "disabled"]),
        }
        setting = pick(list(settings))
        wishes: list[Wish] = [
            ("deposit", {"amount": amount}),
            ("withdrawal", {"amount": amount}),
            ("transfer", {"destination": pick([other for other in self.refs if other != name]), "amount": amount}),
            ("configure", {setting: settings[setting]}),
        ]
        return pick(wishes)

    def wish_for_order(self, order_id: str, order: Order) -> Wish:
        pick = self.random.choice
        kind = pick(["stop_loss", "take_profit"])
        fired = "price" if order.status == "PENDING" else kind
        part = pick([None, None, order.lots / 2 if order.lots % D("0.02") == 0 else None, D("0.01"), order.open + 1])
        wishes: list[Wish] = [
            ("close", {"lots": part}),
            ("close", {"lots": None}),
            ("modify", {"order_price": self.near()}),
            ("cancel", {}),
            ("protect", {"kind": kind, "level": self.maybe()}),
            ("fire", {"kind": fired, "level_version": order.settings[fired] or 1}),
            ("fire", {"kind": fired, "level_version": pick([1, 2])}),
        ]
        verb, values = pick(wishes)
        return verb, {"order_id": order_id, **values}

    def ask_again(self) -> None:
        """A client who lost the answer, a queue that delivers twice, a monitor after its restart."""
        if self.asked:
            self.send(self.random.choice(self.asked[-20:]), faulty=self.random.random() < 0.5)

    def ask_differently(self) -> None:
        """The key of a command that was carried out, with another body."""
        done = [asked for asked in self.asked if asked.answer is not None and asked.verb == "deposit"]
        if done:
            before = self.random.choice(done)
            amount = before.values["amount"] + 1
            outcome = carry_out(self.command(before.name, "deposit", {"amount": amount}, before.command.key))
            assert isinstance(outcome, Rejection), outcome
            assert outcome.reason.name == MISMATCH

    def record(self) -> None:
        accounts = self.random.sample(list(self.refs.values()), self.random.randrange(1, len(self.refs) + 1))
        with self.fault(40):
            recorder.record(accounts)

    def work(self) -> None:
        """The recorder's worker; what an earlier one left unacknowledged comes again, and some of it twice."""
        with self.fault(60):
            if self.random.random() < 0.5:
                ledger().run([announcement(self.random.choice(list(self.refs.values())))] * 2)
            worker = RecordWorker(f"c{self.random.randrange(3)}", batch=self.random.randrange(1, 20))
            worker.prepare()
            worker.step()

    def sweep(self) -> None:
        with self.fault(30):
            sweep()

    # How it is held against the model

    def ask(self, name: str, verb: str, faulty: bool = False, **values: Any) -> None:
        asked = Asked(name, verb, values, self.command(name, verb, values))
        same = [before for before in self.asked if before.id == asked.id]  # one level fires under one key, whoever asks
        self.asked += [] if same else [asked]
        self.send((same or [asked])[0], faulty)

    def send(self, asked: Asked, faulty: bool) -> None:
        if asked.verb == "fire" and asked.answer is None:
            quote = quotes.read(self.floor.book.market, ["EURUSD"]).quotes["EURUSD"]
            asked.command = self.command(asked.name, "fire", asked.values, quote=quote)
        expected = "replay" if asked.answer is not None else self.model.expect(asked.name, asked.verb, asked.values)
        outcomes: list[Done | Rejection] = []
        with self.fault(14 if faulty else 0):
            outcomes.append(carry_out(asked.command))
        if not outcomes:
            stored = load(asked.command.account, command_id=asked.id).stored
            if stored is None:
                return
            outcomes.append(Done(stored.answer, asked.id))
        self.settle(asked, expected, outcomes[0])

    def settle(self, asked: Asked, expected: str, outcome: Done | Rejection) -> None:
        """One answer of a command whose effect, if it has one, is there: the model follows the first time."""
        told = "done" if isinstance(outcome, Done) else outcome.reason.name
        if expected == "replay":
            assert isinstance(outcome, Done), f"{asked} was done, and now {told}"
            assert _lasting(outcome.answer) == asked.answer, f"{asked} was answered {outcome.answer}"
            return
        assert told == expected, f"{asked}: expected {expected}, was {outcome}"
        if isinstance(outcome, Rejection):
            return
        asked.answer = _lasting(outcome.answer)
        self.model.apply(asked.name, asked.verb, asked.values, asked.answer.get("order", {}).get("order_id", ""))
        if asked.verb == "transfer":
            self.transits.append(Transit(asked.name, asked.values["destination"], asked.values["amount"], asked.id))

    def look(self) -> None:
        """The ledger of every account, against the model."""
        self.follow_transits()
        for name, ref in self.refs.items():
            state, account = load(ref, all_orders=True), self.model.accounts[name]
            portfolio, (long, short) = state.portfolio, (account.leg("BUY"), account.leg("SELL"))
            exposures = {"EURUSD": Exposure(*long, *short)} if long[0] or short[0] else {}
            assert (portfolio.version, portfolio.balance) == (account.version, account.balance), name
            assert (portfolio.used_margin, portfolio.exposures) == (account.used, exposures), name
            config = state.config
            assert (config.group, config.leverage, config.status) == (account.group, account.leverage, account.status)
            live = {id_: order for id_, order in account.orders.items() if order.status in ("OPEN", "PENDING")}
            assert {
                id_: (o.status, o.open_lots, o.order_price, o.open_price, o.stop_loss, o.take_profit)
                for id_, o in state.orders.items()
            } == {id_: (o.status, o.open, o.price, o.paid, o.stop_loss, o.take_profit) for id_, o in live.items()}, name

    def follow_transits(self) -> None:
        for transit in list(self.transits):
            source, destination = self.model.accounts[transit.source], self.model.accounts[transit.destination]
            if not transit.arrived and load(self.refs[transit.destination], command_id=transit.id).stored:
                transit.arrived = True
                destination.balance += transit.amount
                destination.version += 1
            if transit.arrived and transit.id not in load(self.refs[transit.source]).under_way:
                source.version += 1
                self.transits.remove(transit)

    @contextmanager
    def fault(self, steps: int) -> Iterator[None]:
        """Somewhere in the next so many steps the process may die, or a reply be lost; then a new one begins."""
        number = self.random.randrange(1, steps + 1) if steps else 0
        lose = steps > 0 and self.random.random() < 0.3
        died = False

        def die() -> None:
            nonlocal died
            died = True
            raise Crash

        try:
            with watched(ends_at(0 if lose else number, die), ends_at(number if lose else 0, cut)):
                yield
        except BaseException as error:
            if died:  # whatever clean-up made of it on its way
                forget()
                connection.close()
            elif not isinstance(error, LedgerUnavailable | OutcomeUnknown | ReplyLost | RedisError):
                raise
            self.faults += 1

    def command(self, name: str, verb: str, values: dict[str, Any], key: str = "", **more: Any) -> Command:
        asked: dict[str, Any] = {
            "principal": "user:1",
            "key": key or f"{self.seed}:{next(self._keys)}",
            **values,
            **more,
        }
        if verb in ("deposit", "withdrawal"):
            asked |= {"kind": verb, "reason": "because"}
        if verb in ("configure", "transfer"):
            asked["reason"] = "because"
        if verb == "transfer":
            asked["destination"] = self.refs[asked["destination"]]
        if verb in ("open", "place"):
            asked["symbol"] = "EURUSD"
        if verb == "fire":
            named = f"{values['order_id']}:{values['kind']}:{values['level_version']}"
            asked |= {"principal": "system:monitor", "staff": True, "key": named}
        if "order_id" in asked:
            asked["order_id"] = OrderId(asked["order_id"])
        if verb == "fire" and "quote" not in asked:
            asked["quote"] = quotes.read(self.floor.book.market, ["EURUSD"]).quotes["EURUSD"]
        return COMMANDS[verb](account=self.refs[name], **asked)

    def near(self) -> Decimal:
        return self.model.bid + D(self.random.randrange(-200, 201)) / 10_000

    def maybe(self) -> Decimal | None:
        return self.near() if self.random.random() < 0.5 else None


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what may change between two answers to one command: how far the money has come."""
    return {name: value for name, value in answer.items() if name != "state"}
