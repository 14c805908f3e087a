"""Deposits, withdrawals, corrections and credit: who pays whom, how much may leave, and what is no amount."""

from decimal import Decimal as D

import pytest
from django.db.models import Sum

from accounts.models import LiveAccount
from copytrading.kernel.ids import KINDS, LIVE
from orders.messages import Done
from orders.models import JournalEntry, Transfer
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import Floor, reason_of

KINDS_OF_MONEY = ("deposit", "withdrawal", "correction", "credit_in", "credit_out")


@pytest.mark.parametrize("account", KINDS)
def test_each_movement_has_two_ends(floor: Floor, account: str) -> None:
    name = str(floor.ref(account))
    moved = [
        ("deposit", "250.25", "10250.25", "0", "house:bank:USD", name),
        ("withdrawal", "50.25", "10200", "0", name, "house:bank:USD"),
        ("credit_in", "500", "10200", "500", "house:credit:USD", name),
        ("credit_out", "120.5", "10200", "379.5", name, "house:credit:USD"),
        ("correction", "10", "10210", "379.5", "house:error:USD", name),
        ("correction", "-10.01", "10199.99", "379.5", name, "house:error:USD"),
    ]
    for kind, amount, balance, credit, debited, credited in moved:
        done = floor.money(kind, amount, account)
        portfolio = floor.state(account).portfolio
        assert (portfolio.balance, portfolio.credit) == (D(balance), D(credit))
        assert done.answer == {
            "transfer": {
                "kind": kind,
                "amount": amount.removeprefix("-"),
                "currency": "USD",
                "debit": debited,
                "credit": credited,
                "reason": "because",
            },
            "balance": balance,
            "credit": credit,
        }
    floor.record()
    recorded = Transfer.objects.filter(account=name).order_by("version")[1:]  # the first is the floor's own deposit
    assert [(row.debit, row.credit, row.kind, row.amount, row.currency, row.reason) for row in recorded] == [
        (debited, credited, kind, abs(D(amount)), "USD", "because") for kind, amount, _, _, debited, credited in moved
    ]
    assert floor.differences() == []


def test_the_record_adds_up(floor: Floor) -> None:
    """An account's balance is the sum of its transfers, and what all accounts have the house lacks."""
    order_id = floor.open("0.5").answer["order"]["order_id"]
    floor.money("withdrawal", "1000")
    floor.money("credit_in", "300")
    floor.money("correction", "-5.05")
    floor.quote("1.1050", "1.1052")
    floor.close(order_id)
    floor.record()
    live = str(floor.ref(LIVE))
    rows = Transfer.objects.exclude(kind__startswith="credit")
    came = rows.filter(credit=live).aggregate(sum=Sum("amount"))["sum"]
    went = rows.filter(debit=live).aggregate(sum=Sum("amount"))["sum"]
    account = LiveAccount.objects.get(pk=floor.ref(LIVE).id)
    assert came - went == account.balance == floor.state().portfolio.balance == D("9224.95")
    assert account.credit == D("300")
    assert JournalEntry.objects.filter(account=live).count() == account.recorded_version == 7


@pytest.mark.parametrize("kind", KINDS_OF_MONEY)
def test_what_is_no_amount(floor: Floor, kind: str) -> None:
    with nothing_done(floor.book):
        for amount in ("0", "0.001", "1.005", *(() if kind == "correction" else ("-1",))):
            refused = floor.money(kind, amount)
            assert (reason_of(refused), list(refused.fields)) == ("invalid_fields", ["amount"])


def test_no_more_than_is_there(floor: Floor) -> None:
    with nothing_done(floor.book):
        refused = floor.money("withdrawal", "10000.01")
        assert reason_of(refused) == "insufficient_funds"
        assert refused.facts == {"required": "10000.01", "available": "10000"}
        assert floor.money("credit_out", "0.01").facts == {"required": "0.01", "available": "0"}
    assert isinstance(floor.money("withdrawal", "10000"), Done)
    assert floor.state().portfolio.balance == 0
    with nothing_done(floor.book):
        assert floor.money("withdrawal", "0.01").facts == {"required": "0.01", "available": "0"}


def test_open_positions_and_credit_stay_covered(floor: Floor) -> None:
    """Half a lot takes 550.15 and floats at -20.00. Credit carries it but is never paid out."""
    floor.money("credit_in", "500")
    floor.open("0.5")
    with nothing_done(floor.book):
        assert floor.money("withdrawal", "9429.86").facts == {"required": "9429.86", "available": "9429.85"}
    assert isinstance(floor.money("withdrawal", "9429.85"), Done)
    portfolio = floor.state().portfolio
    assert (portfolio.balance, portfolio.credit, portfolio.used_margin) == (D("570.15"), D("500"), D("550.15"))


def test_floating_profit_is_not_paid_out(floor: Floor) -> None:
    floor.open("0.5")
    floor.quote("1.1500", "1.1502")  # floats at 2,480.00, which more than covers the margin
    with nothing_done(floor.book):
        assert floor.money("withdrawal", "10000.01").facts["available"] == "10000"
    assert isinstance(floor.money("withdrawal", "10000"), Done)


def test_a_loss_beyond_the_balance_leaves_nothing(floor: Floor) -> None:
    floor.open("5")
    floor.quote("1.0800", "1.0802")  # floats at -10,200.00
    with nothing_done(floor.book):
        assert floor.money("withdrawal", "0.01").facts == {"required": "0.01", "available": "0"}


def test_withdrawing_needs_a_price_of_what_is_held(floor: Floor) -> None:
    floor.open("0.5")
    floor.book.market.hincrby("market:EURUSD", "stamp", -60_000)
    with nothing_done(floor.book):
        assert reason_of(floor.money("withdrawal", "1")) == "stale_price"
        floor.book.market.delete("market:EURUSD")
        assert reason_of(floor.money("withdrawal", "1")) == "stale_price"
    for kind in ("deposit", "correction", "credit_in", "credit_out"):
        assert isinstance(floor.money(kind, "1"), Done)


def test_a_correction_may_leave_a_debt(floor: Floor) -> None:
    floor.money("correction", "-10000.01")
    assert floor.state().portfolio.balance == D("-0.01")
    floor.record()
    assert floor.differences() == []


def test_repeats_do_nothing(floor: Floor) -> None:
    first = floor.money("deposit", "100", key="again")
    with nothing_done(floor.book):
        again = floor.money("deposit", "100", key="again")
        assert (again.replayed, again.answer) == (True, first.answer)
        assert reason_of(floor.money("deposit", "101", key="again")) == "idempotency_mismatch"
        assert reason_of(floor.money("withdrawal", "100", key="again")) == "idempotency_mismatch"
    assert floor.state().portfolio.balance == D("10100")


@pytest.mark.parametrize("kind", ["deposit", "correction", "credit_in"])
def test_nothing_is_moved_that_the_record_can_not_hold(floor: Floor, kind: str) -> None:
    most = 10**13
    held = D(0) if kind == "credit_in" else floor.state().portfolio.balance
    with nothing_done(floor.book):
        for amount in ("999999999999999.99", str(most + 1), str(most - held + 1)):
            refused = floor.money(kind, amount)
            assert reason_of(refused) == "invalid_fields"
            assert list(refused.fields) == ["amount"]
    assert isinstance(floor.money(kind, str(most - held)), Done)
    assert reason_of(floor.money(kind, "0.01")) == "invalid_fields"
    floor.record()
    assert floor.differences() == []


def test_a_debt_is_bounded_as_well(floor: Floor) -> None:
    assert isinstance(floor.money("correction", str(-(10**13))), Done)
    assert reason_of(floor.money("correction", "-10000.01")) == "invalid_fields"
