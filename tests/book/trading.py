"""A day's trading on a floor, with something of everything, so that a test has a book worth losing."""

from dataclasses import dataclass, replace
from decimal import Decimal as D

from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, KINDS, AccountRef
from orders.book.account import State
from orders.messages import Done
from tests.fixtures.floor import Floor, id_of


@dataclass(frozen=True)
class Day:
    """Orders of the live account by what became of them."""

    stopped: str
    hedge: str
    resting: str
    closed: str
    cancelled: str


def trade(floor: Floor) -> Day:
    """Every kind of account holds something afterwards; the live one has done everything an account can do."""
    for kind in KINDS:
        assert isinstance(floor.open("0.3", account=kind, stop_loss=D("1.0900"), take_profit=D("1.1200")), Done)
    stopped = id_of(floor.open("0.5", stop_loss=D("1.0950")))
    hedge = id_of(floor.open("0.2", "SELL", take_profit=D("1.0940")))
    resting = id_of(floor.place("1.0980", stop_loss=D("1.0960"), expires_at_ms=4_000_000_000_000))
    closed = id_of(floor.open("0.1"))
    cancelled = id_of(floor.place("1.1050", "0.1", "SELL_LIMIT"))
    floor.quote("1.1010", "1.1012")
    for done in (
        floor.close(stopped, "0.2"),
        floor.close(closed),
        floor.cancel(cancelled),
        floor.modify(resting, order_price=D("1.0970")),
        floor.take(stopped, "1.1100"),
        floor.transfer(DEMO, "250.50"),
        floor.money("credit_in", "100"),
        floor.money("correction", "-0.01"),
        floor.money("withdrawal", "40", COPY_FOLLOWER),
        floor.configure(leverage=200),
    ):
        assert isinstance(done, Done), done
    return Day(stopped, hedge, resting, closed, cancelled)


def states(floor: Floor) -> dict[AccountRef, State]:
    """What every account holds, without the version and the ledger's name."""
    read = {account: floor.state(account) for account in floor.accounts.values()}
    return {
        account: replace(state, portfolio=replace(state.portfolio, version=0, ledger_id=""))
        for account, state in read.items()
    }
