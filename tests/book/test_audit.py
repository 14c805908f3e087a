"""The audit finds what was planted, names it, and finds nothing where nothing was planted."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django import Settings

from accounts.models import rows_of
from copytrading.kernel import clock
from copytrading.kernel.ids import DEMO, LIVE
from orders import audit
from orders.audit import Difference, Outcome, outcome_of
from orders.book import codec, keys
from orders.book.account import load
from orders.book.connection import ledger
from orders.book.streams import announcement
from orders.book.triggers import levels_of
from orders.book.work import WorkStream
from orders.models import AuditReport
from orders.verbs import money
from tests.book.looking import keep
from tests.book.test_recorder import replace_entry
from tests.book.trading import Day, trade
from tests.fixtures.book import forget
from tests.fixtures.floor import Floor, id_of

D = Decimal
both = pytest.mark.parametrize("book", ["single", "cluster"], indirect=True)
pytestmark = pytest.mark.timeout(180)


class Planter:
    """Corrupts the live account: the ledger's side, or the record's with its guards off."""

    def __init__(self, floor: Floor, day: Day) -> None:
        self.floor, self.day = floor, day
        self.account = floor.ref(LIVE)
        self.version = load(self.account).portfolio.version
        self.group = "retail"

    def redis(self, command: str, key: str, *values: Any) -> Any:
        return ledger().run([(key, (command, key, *values))])[0]

    def portfolio(self, **values: Any) -> None:
        for name, value in values.items():
            self.redis("HSET", keys.portfolio(self.account), name.replace("_colon_", ":"), value)

    def holding(self, order_id: str, **values: Any) -> None:
        for name, value in values.items():
            self.redis("HSET", keys.holding(self.account, order_id), name, value)

    def copy_of(self, order_id: str) -> str:
        """A second order that nobody placed."""
        other = f"{order_id[:-3]}ZZZ"
        written = {**self.redis_hash(keys.holding(self.account, order_id)), "order_id": other}
        self.redis("HSET", keys.holding(self.account, other), *(part for pair in written.items() for part in pair))
        self.redis("SADD", keys.orders_index(self.account), other)
        return other

    def redis_hash(self, key: str) -> dict[str, str]:
        return dict(self.redis("HGETALL", key))

    def level(self, order_id: str) -> Any:
        return levels_of(load(self.account, [order_id]).orders[order_id], self.group)[0]

    def sql(self, statement: str, *values: Any) -> None:
        table = next(word for word in statement.split() if word.startswith("orders_"))
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # until the transaction is rolled back
            cursor.execute(statement, values)
            assert cursor.rowcount > 0

    def account_row(self, **values: Any) -> None:
        assert rows_of(LIVE).filter(pk=self.account.id).update(**values)

    def leaving(self, age_ms: int) -> None:
        left = {"destination": str(self.floor.ref(DEMO)), "amount": "5", "currency": "USD", "reason": "",
                "at_ms": str(clock.now_ms() - age_ms)}  # fmt: skip
        self.redis("HSET", keys.transfers(self.account), "T1", codec.to_json(left))


Plant = Callable[[Planter], object]

#: What is planted -> (how, which differences are named). None of it means that something was lost.
RECORDED: dict[str, tuple[Plant, set[str]]] = {
    "balance": (lambda p: p.portfolio(balance="1"), {"portfolio_balance"}),
    "credit": (lambda p: p.portfolio(credit="1"), {"portfolio_credit"}),
    "used margin": (lambda p: p.portfolio(used_margin="1"), {"portfolio_used_margin", "used_margin"}),
    "reserved margin": (lambda p: p.portfolio(reserved_margin="1"), {"portfolio_reserved_margin"}),
    "margin call": (lambda p: p.portfolio(margin_called="1"), {"portfolio_margin_called"}),
    "exposure": (
        lambda p: p.portfolio(x_colon_EURUSD="0.7|0.77|770|0.2|0.2|220"),
        {"portfolio_exposures", "exposure"},
    ),
    "exposure of nothing": (
        lambda p: p.portfolio(x_colon_GBPUSD="0|0|0|0|0|0"),
        {"portfolio_exposures", "exposure", "holder_missing"},
    ),
    "exposure gone": (
        lambda p: p.redis("HDEL", keys.portfolio(p.account), "x:EURUSD"),
        {"portfolio_exposures", "exposure"},
    ),
    "order's price": (lambda p: p.holding(p.day.stopped, open_price="1.2"), {"order_open_price"}),
    "order's level": (lambda p: p.holding(p.day.stopped, stop_loss="1.09"), {"order_stop_loss", "hint_missing"}),
    "order's lots": (lambda p: p.holding(p.day.stopped, open_lots="0.2"), {"order_open_lots", "exposure"}),
    "order's owner": (lambda p: p.holding(p.day.stopped, account="live:999"), {"order_account", "hint_missing"}),
    "order's version": (lambda p: p.holding(p.day.stopped, version="999"), {"order_version", "order_ahead"}),
    "order gone": (
        lambda p: p.redis("DEL", keys.holding(p.account, p.day.stopped)),
        {"holding_missing", "order_missing", "exposure"},
    ),
    "resting order gone": (
        lambda p: p.redis("DEL", keys.holding(p.account, p.day.resting)),
        {"holding_missing", "order_missing"},
    ),
    "order nobody placed": (lambda p: p.copy_of(p.day.hedge), {"order_unknown", "exposure", "hint_missing"}),
    "index lacks one": (
        lambda p: p.redis("SREM", keys.orders_index(p.account), p.day.stopped),
        {"order_missing", "exposure"},
    ),
    "index has one too many": (
        lambda p: p.redis("SADD", keys.orders_index(p.account), f"{p.day.stopped[:-3]}ZZZ"),
        {"holding_missing"},
    ),
    "index lists an order that ended": (
        lambda p: p.redis("SADD", keys.orders_index(p.account), p.day.closed),
        {"terminal_listed", "order_unknown"},
    ),
    "leverage": (lambda p: p.redis("HSET", keys.config(p.account), "leverage", "500"), {"config_leverage"}),
    "status": (lambda p: p.redis("HSET", keys.config(p.account), "status", "disabled"), {"config_status"}),
    "routing": (
        lambda p: p.redis("HSET", keys.config(p.account), "sending_orders", "barclays"),
        {"config_sending_orders"},
    ),
    "level not watched": (
        lambda p: p.redis("ZREM", p.level(p.day.stopped).key, p.level(p.day.stopped).member),
        {"hint_missing"},
    ),
    "level watched elsewhere": (
        lambda p: p.redis("ZADD", p.level(p.day.resting).key, "1.05", p.level(p.day.resting).member),
        {"hint_missing"},
    ),
    "holder not known": (
        lambda p: p.redis("SREM", keys.symbol_holders("EURUSD", LIVE), str(p.account)),
        {"holder_missing"},
    ),
    "mark ahead": (lambda p: p.redis("HSET", keys.marks(p.account), "record", p.version + 1), {"mark_ahead"}),
    "index behind": (lambda p: p.redis("HSET", keys.marks(p.account), "index", p.version - 1), {"index_lag"}),
    "index mark gone": (lambda p: p.redis("HDEL", keys.marks(p.account), "index"), {"index_lag"}),
    "transfer that never arrives": (lambda p: p.leaving(age_ms=61_000), {"transfer_stuck"}),
    "unreadable portfolio": (lambda p: p.portfolio(balance="much"), {"unreadable"}),
    "unreadable order": (lambda p: p.holding(p.day.stopped, lots="half"), {"unreadable"}),
    "unreadable configuration": (lambda p: p.redis("DEL", keys.config(p.account)), {"unreadable"}),
    "recorded balance": (lambda p: p.account_row(balance=D(1)), {"money_balance", "portfolio_balance"}),
    "recorded credit": (lambda p: p.account_row(credit=D(1)), {"money_credit", "portfolio_credit"}),
    "recorded order": (
        lambda p: p.sql("UPDATE orders_order SET profit = 77 WHERE order_id = %s", p.day.stopped),
        {"order_profit"},
    ),
    "recorded order ended": (
        lambda p: p.sql(
            "UPDATE orders_order SET status = 'CANCELLED', leaves_lots = 0 WHERE order_id = %s", p.day.resting
        ),
        {"order_unknown"},
    ),
    "recorded movement of money": (
        lambda p: p.sql(
            "UPDATE orders_transfer SET amount = amount + 1 WHERE credit = %s AND kind = 'deposit'", str(p.account)
        ),
        {"money_balance"},
    ),
    "recorded entry gone": (
        lambda p: p.sql("DELETE FROM orders_journalentry WHERE account = %s AND version = 4", str(p.account)),
        {"record_gap"},
    ),
    "all recorded entries gone": (
        lambda p: p.sql("DELETE FROM orders_journalentry WHERE account = %s", str(p.account)),
        {"record_gap"},
    ),
    "money that arrived and never left": (
        lambda p: p.sql("DELETE FROM orders_transfer WHERE debit = %s AND kind = 'transfer'", str(p.account)),
        {"money_balance", "transfer_unbalanced"},
    ),
}

#: The same for what does.
LOST: dict[str, tuple[Plant, set[str]]] = {
    "version went back": (lambda p: p.portfolio(version=p.version - 4), {"version_behind"}),
    "version ran ahead": (lambda p: p.portfolio(version=p.version + 1), {"journal_short", "index_lag"}),
    "account gone": (lambda p: p.redis("DEL", keys.portfolio(p.account)), {"account_missing"}),
    "account without a version": (lambda p: p.redis("HDEL", keys.portfolio(p.account), "version"), {"account_missing"}),
    "entry missing": (lambda p: p.redis("XDEL", keys.journal(p.account), f"{p.version - 1}-0"), {"journal_gap"}),
    "last entry missing": (lambda p: p.redis("XDEL", keys.journal(p.account), f"{p.version}-0"), {"journal_short"}),
    "journal gone": (lambda p: p.redis("DEL", keys.journal(p.account)), {"journal_short"}),
}


@pytest.fixture
def planter(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Planter:
    """A day that was recorded, and three commits after it that were not."""
    monkeypatch.setattr(audit.comparing, "INDEX_LAG_S", 0.1)
    day = trade(floor)
    floor.record()
    floor.close(id_of(floor.open("0.1")))
    floor.money("deposit", "1")
    return Planter(floor, day)


def found_after(planter: Planter, plant: Plant) -> list[Difference]:
    """What the audit of the live account finds where it found nothing before; then both sides are as they were."""
    assert list(audit.audit([planter.account])) == []
    put_back = keep(planter.floor.book)
    try:
        with transaction.atomic():
            plant(planter)
            found = list(audit.audit([planter.account]))
            transaction.set_rollback(True)
    finally:
        put_back()
    return found


@both
def test_what_was_recorded_is_compared(planter: Planter, subtests: pytest.Subtests) -> None:
    """Nothing unrecorded: the ledger must be what the record says."""
    planter.floor.record()
    for name, (plant, expected) in RECORDED.items():
        with subtests.test(name):
            found = found_after(planter, plant)
            assert {difference.what for difference in found} == expected, found
            assert outcome_of(found) == Outcome.DRIFT
            assert all(difference.detail for difference in found)
    assert planter.floor.differences() == []


def test_what_was_not_recorded_is_compared_as_exactly(planter: Planter, subtests: pytest.Subtests) -> None:
    """The record carried forward by the journal; its last entry tells the portfolio anew, whatever the mirror says."""
    assert planter.floor.differences() == []
    mirror = {"recorded balance": {"money_balance"}, "recorded credit": {"money_credit"}}
    for name in (*mirror, "balance", "exposure", "order's level", "order gone", "order nobody placed", "leverage"):
        with subtests.test(name):
            plant, expected = RECORDED[name]
            found = found_after(planter, plant)
            assert {difference.what for difference in found} == mirror.get(name, expected), found
    assert planter.floor.differences() == []


@both
def test_what_was_lost_is_told_as_loss(planter: Planter, subtests: pytest.Subtests) -> None:
    for name, (plant, expected) in LOST.items():
        with subtests.test(name):
            found = found_after(planter, plant)
            assert {(difference.what, difference.where) for difference in found} == {
                (what, str(planter.account)) for what in expected
            }, found
            assert outcome_of(found) == Outcome.LOSS
    assert planter.floor.differences() == []


def test_a_tampered_entry_is_told(planter: Planter) -> None:
    def richer(values: dict[str, str]) -> dict[str, str]:
        body = codec.from_json(values["body"])
        body["portfolio"]["balance"] = "1000000"
        return {**values, "body": codec.to_json(body)}

    found = found_after(planter, lambda p: replace_entry(p.account, p.version, richer))
    assert {difference.what for difference in found} == {"portfolio_balance"}
    found = found_after(
        planter, lambda p: replace_entry(p.account, p.version, lambda values: {**values, "body": "not JSON"})
    )
    assert {difference.what for difference in found} == {"unreadable"}


def test_margin_of_an_account_that_holds_nothing(planter: Planter) -> None:
    for order_id in (planter.day.stopped, planter.day.hedge):
        planter.floor.close(order_id)
    planter.floor.close_all()
    assert planter.floor.state().portfolio.exposures == {}
    found = found_after(planter, lambda p: p.portfolio(used_margin="0.01"))
    assert {difference.what for difference in found} == {"portfolio_used_margin", "used_margin"}


def test_an_account_whose_announcement_was_buried_is_told(planter: Planter) -> None:
    stream = WorkStream(ledger(), "record", "test")
    stream.prepare()
    ledger().run([announcement(planter.account)])
    announced = [each for each in stream.read(1000, block=False) if each.fields["account"] == str(planter.account)]
    stream.bury(announced[-1], "numeric field overflow")

    (found,) = audit.audit([planter.account])
    assert (found.what, found.where, found.gravity) == ("dead_letter", str(planter.account), Outcome.DRIFT)
    assert "numeric field overflow" in found.detail
    assert list(audit.audit([planter.floor.ref(DEMO)])) == []
    assert str(planter.account) in [each.where for each in audit.audit()]


@both
def test_money_that_left_and_is_nowhere(planter: Planter, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(money, "finish_transfer", lambda *_: False)
        planter.floor.transfer(DEMO, "250")
    planter.floor.record()
    assert planter.floor.differences() == []
    found = found_after(planter, lambda p: p.redis("DEL", keys.transfers(p.account)))
    assert [(each.what, each.where) for each in found] == [("transfer_lost", str(planter.account))]
    assert "250 left for demo:" in found[0].detail
    assert outcome_of(found) == Outcome.LOSS


def test_one_broken_account_hides_no_other(planter: Planter) -> None:
    other = planter.floor.ref(DEMO)

    planter.redis("DEL", keys.portfolio(planter.account))
    planter.redis("HSET", keys.portfolio(other), "balance", "5")
    found = planter.floor.differences()
    assert {(each.what, each.where) for each in found} == {
        ("account_missing", str(planter.account)),
        ("portfolio_balance", str(other)),
    }


def test_a_ledger_that_may_lose_is_a_difference(planter: Planter) -> None:
    planter.floor.book.ledger.config_set("appendfsync", "everysec")
    try:
        found = planter.floor.differences()
    finally:
        planter.floor.book.ledger.config_set("appendfsync", "always")
    assert [(each.what, each.where, each.gravity) for each in found] == [("ledger_settings", "ledger", Outcome.DRIFT)]


def test_what_can_not_be_asked_was_not_checked(planter: Planter, settings: Settings) -> None:
    settings.LEDGER_URL = "redis://127.0.0.1:1/0"
    forget()
    found = planter.floor.differences()
    assert [(each.what, each.gravity) for each in found] == [("not_checked", Outcome.UNCHECKED)]


def test_named_accounts_only(planter: Planter) -> None:
    planter.portfolio(balance="1")
    assert list(audit.audit([planter.floor.ref(DEMO)])) == []
    assert [each.what for each in audit.audit([planter.account])] == ["portfolio_balance"]


@pytest.mark.parametrize(
    ("plant", "status", "said"),
    [
        (lambda _: None, 0, "0 differences"),
        (lambda p: p.portfolio(balance="1"), 1, "1 differences"),
        (lambda p: p.redis("DEL", keys.portfolio(p.account)), 2, "loss suspected"),
    ],
)
def test_the_exit_status_says_how_grave_it_is(
    planter: Planter, capsys: pytest.CaptureFixture[str], plant: Plant, status: int, said: str
) -> None:
    plant(planter)
    with pytest.raises(SystemExit) as ended:
        call_command("audit", keep=True)
    assert ended.value.code == status
    assert said in capsys.readouterr().out
    assert AuditReport.objects.get().outcome == status
