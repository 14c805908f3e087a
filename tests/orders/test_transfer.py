"""Money from one account to another: two commits with one id, also when a process dies between them."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE, STRATEGY_PROVIDER, AccountRef
from orders.messages import Done, TransferBetween
from orders.models import Transfer
from orders.verbs import money
from orders.verbs.attempt import Needs, attempt
from tests.accounts import rows
from tests.fixtures.contents import nothing_done
from tests.fixtures.floor import GROUP, Floor, reason_of
from workers.sweeper import Sweeper


def balances(floor: Floor) -> tuple[D, D]:
    return floor.state(LIVE).portfolio.balance, floor.state(DEMO).portfolio.balance


def halves(floor: Floor) -> list[tuple[str, str, D]]:
    """What the record has of the one transfer that was made."""
    floor.record()
    rows_of_it = Transfer.objects.filter(kind="transfer").order_by("id")
    assert len({row.transfer_id for row in rows_of_it}) == 1
    return sorted((row.debit, row.credit, row.amount) for row in rows_of_it)


def whole(floor: Floor, amount: str) -> list[tuple[str, str, D]]:
    live, demo = str(floor.ref(LIVE)), str(floor.ref(DEMO))
    return [("house:transit:USD", demo, D(amount)), (live, "house:transit:USD", D(amount))]


def debited(floor: Floor, amount: str) -> tuple[TransferBetween, str]:
    """The process died after the debit: the money has left and is nowhere yet."""
    asked: dict[str, Any] = {"principal": "user:1", "key": "dies", "reason": "because"}
    command = TransferBetween(account=floor.ref(LIVE), destination=floor.ref(DEMO), amount=D(amount), **asked)
    done = attempt(command, lambda gathered: money._depart(command, gathered), Needs())
    assert isinstance(done, Done)
    assert list(floor.state(LIVE).under_way) == [done.command_id]
    return command, done.command_id


def sweep(floor: Floor) -> None:
    """One pass over all accounts."""
    sweeper = Sweeper("test")
    sweeper.prepare()
    while sweeper.step():
        pass


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.sweeper._PAUSE_S", 0)


def test_it_arrives(floor: Floor) -> None:
    done = floor.transfer(DEMO, "1234.56")
    live, demo = str(floor.ref(LIVE)), str(floor.ref(DEMO))
    assert done.answer == {
        "transfer": {
            "kind": "transfer",
            "amount": "1234.56",
            "currency": "USD",
            "debit": live,
            "credit": "house:transit:USD",
            "reason": "because",
        },
        "destination": demo,
        "state": "arrived",
        "balance": "8765.44",
        "credit": "0",
    }
    assert balances(floor) == (D("8765.44"), D("11234.56"))
    assert floor.state(LIVE).under_way == {}
    assert halves(floor) == whole(floor, "1234.56")
    assert floor.differences() == []


def test_between_all_kinds(floor: Floor) -> None:
    for source, destination in ((LIVE, STRATEGY_PROVIDER), (STRATEGY_PROVIDER, COPY_FOLLOWER), (COPY_FOLLOWER, LIVE)):
        assert floor.transfer(destination, "500", source).answer["state"] == "arrived"
    assert {floor.state(kind).portfolio.balance for kind in floor.accounts} == {D(10_000)}
    floor.record()
    assert floor.differences() == []


def test_into_an_account_that_was_not_in_the_book_yet(floor: Floor) -> None:
    newcomer = rows.account(DEMO, "newcomer", GROUP).ref
    assert isinstance(floor.transfer(newcomer, "10"), Done)
    assert floor.state(newcomer).portfolio.balance == D(10)


def test_refusals_move_nothing(floor: Floor) -> None:
    rows.group("euros", "EUR")
    euros = rows.account(DEMO, "trader", "euros").ref
    floor.money("deposit", "1", euros)
    with nothing_done(floor.book):
        refused = floor.transfer(DEMO, "10000.01")
        assert reason_of(refused) == "insufficient_funds"
        assert refused.facts == {"required": "10000.01", "available": "10000"}
        assert reason_of(floor.transfer(LIVE, "1")) == "invalid_fields"
        assert reason_of(floor.transfer(AccountRef(DEMO, 999_999), "1")) == "account_not_found"
        assert reason_of(floor.transfer(DEMO, "1", AccountRef(LIVE, 999_999))) == "account_not_found"
        assert reason_of(floor.transfer(euros, "1")) == "currency_mismatch"
        for amount in ("0", "-1", "0.001"):
            assert reason_of(floor.transfer(DEMO, amount)) == "invalid_fields"


def test_open_positions_stay_covered(floor: Floor) -> None:
    floor.open("0.5")
    with nothing_done(floor.book):
        assert floor.transfer(DEMO, "9429.86").facts == {"required": "9429.86", "available": "9429.85"}
        floor.book.market.hincrby("market:EURUSD", "stamp", -60_000)
        assert reason_of(floor.transfer(DEMO, "1")) == "stale_price"
    floor.quote()
    assert floor.transfer(DEMO, "9429.85").answer["state"] == "arrived"


def test_status_binds_the_owner_of_the_source(floor: Floor) -> None:
    floor.configure(DEMO, status="disabled")  # money arrives all the same
    for status in ("read_only", "disabled"):
        floor.configure(status=status)
        with nothing_done(floor.book):
            assert reason_of(floor.transfer(DEMO, "1")) == f"account_{status}"
        assert isinstance(floor.transfer(DEMO, "1", staff=True), Done)
    floor.configure(status="close_only")  # which refuses opens, and nothing else
    assert isinstance(floor.transfer(DEMO, "1"), Done)
    assert balances(floor) == (D(9997), D(10_003))


def test_repeats_move_nothing(floor: Floor) -> None:
    first = floor.transfer(DEMO, "100", key="again")
    with nothing_done(floor.book):
        again = floor.transfer(DEMO, "100", key="again")
        assert (again.replayed, again.answer) == (True, first.answer)
        assert reason_of(floor.transfer(DEMO, "101", key="again")) == "idempotency_mismatch"
    assert balances(floor) == (D(9900), D(10_100))


def test_a_death_after_the_debit_is_finished_by_the_sweeper(floor: Floor) -> None:
    debited(floor, "100")
    assert balances(floor) == (D(9900), D(10_000))
    floor.record()
    assert floor.differences() == []  # under way is no difference
    sweep(floor)
    assert balances(floor) == (D(9900), D(10_100))
    assert floor.state(LIVE).under_way == {}
    with nothing_done(floor.book):
        sweep(floor)
    assert halves(floor) == whole(floor, "100")
    assert floor.differences() == []


def test_a_death_after_the_credit_is_noted_by_the_sweeper(floor: Floor) -> None:
    _, transfer_id = debited(floor, "100")
    leaving = floor.state(LIVE).under_way[transfer_id]
    assert money._arrive(floor.ref(LIVE), floor.ref(DEMO), transfer_id, leaving)
    assert list(floor.state(LIVE).under_way) == [transfer_id]
    sweep(floor)
    assert floor.state(LIVE).under_way == {}
    assert balances(floor) == (D(9900), D(10_100))
    assert halves(floor) == whole(floor, "100")
    assert floor.differences() == []


def test_a_death_after_the_debit_is_finished_by_asking_again(floor: Floor) -> None:
    command, _ = debited(floor, "100")
    done = money.transfer(command)
    assert isinstance(done, Done)
    assert (done.replayed, done.answer["state"]) == (True, "arrived")
    assert balances(floor) == (D(9900), D(10_100))


def test_two_who_finish_it_pay_it_in_once(floor: Floor) -> None:
    _, transfer_id = debited(floor, "100")
    leaving = floor.state(LIVE).under_way[transfer_id]
    for _ in range(2):
        assert money._arrive(floor.ref(LIVE), floor.ref(DEMO), transfer_id, leaving)
    for _ in range(2):
        assert money._note_arrival(floor.ref(LIVE), transfer_id)
    assert money.finish_transfer(floor.ref(LIVE), transfer_id)
    assert balances(floor) == (D(9900), D(10_100))
    assert halves(floor) == whole(floor, "100")


def test_one_that_cannot_arrive_holds_nobody_up(floor: Floor) -> None:
    """Its destination is lost from the ledger; the others' transfers are finished all the same."""
    lost = rows.account(DEMO, "lost", GROUP).ref
    floor.money("deposit", "1", lost)
    asked: dict[str, Any] = {"principal": "user:1", "amount": D(100), "reason": "because"}
    first = TransferBetween(account=floor.ref(LIVE), key="1", destination=lost, **asked)
    second = TransferBetween(account=floor.ref(STRATEGY_PROVIDER), key="2", destination=floor.ref(DEMO), **asked)
    for command in (first, second):
        attempt(command, lambda gathered, command=command: money._depart(command, gathered), Needs())  # type: ignore[misc]
    floor.book.ledger.delete(f"user_portfolio:{{{lost}}}")
    sweep(floor)
    assert floor.state(STRATEGY_PROVIDER).under_way == {}
    assert floor.state(DEMO).portfolio.balance == D(10_100)
    assert len(floor.state(LIVE).under_way) == 1


def test_money_under_way_is_nobodys_to_take_twice(floor: Floor) -> None:
    before = floor.state(LIVE).portfolio
    debited(floor, "9000")
    with nothing_done(floor.book):
        assert floor.transfer(STRATEGY_PROVIDER, "9000").facts == {"required": "9000", "available": "1000"}
    assert floor.state(LIVE).portfolio == replace(before, version=before.version + 1, balance=D(1000))


def test_nothing_leaves_that_its_destination_can_not_hold(floor: Floor) -> None:
    floor.money("deposit", str(10**13 - 10_000), DEMO)
    with nothing_done(floor.book):
        assert reason_of(floor.transfer(DEMO, "0.01")) == "invalid_fields"
