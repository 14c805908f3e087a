"""An account as the book has it now, valued at the closing prices of now."""

from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Reason, Rejection
from orders.book import guard
from orders.book.account import NotInBook, load
from orders.rules.facts import Order, Valuation
from orders.verbs.admit import measure
from orders.verbs.attempt import Gathered, Needs, gather


def valued(account: AccountRef) -> tuple[Gathered, Valuation | Rejection] | Rejection:
    """What the book holds, and what it is worth; without the prices and terms it takes, why there is no worth.

    A Rejection alone means that the account itself can't be shown. Raises LedgerUnavailable.
    """
    gathered = _gathered(account, prices=True)
    if isinstance(gathered, Gathered):
        return gathered, measure(gathered.state.portfolio, gathered.desk)
    if gathered.reason not in (Reason.no_price, Reason.missing_group_data):
        return gathered
    unpriced = without_prices(account)
    return unpriced if isinstance(unpriced, Rejection) else (unpriced, gathered)


def live_orders(gathered: Gathered) -> list[Order]:
    """Oldest first."""
    return sorted(gathered.state.orders.values(), key=lambda order: (order.created_at_ms, order.order_id))


def orders_alive(account: AccountRef) -> list[Order]:
    """All live orders; what they are worth, and on what terms, is not asked. Raises LedgerUnavailable."""
    try:
        return list(load(account, all_orders=True).orders.values())
    except NotInBook:
        guard.enter(account)
        return []


def without_prices(account: AccountRef) -> Gathered | Rejection:
    """What the book holds, and nothing of the market. Raises LedgerUnavailable."""
    return _gathered(account, prices=False)


def order_in_book(account: AccountRef, order_id: str) -> Order | None:
    """The order while the book has it: alive, or ended less than an hour ago. Raises LedgerUnavailable."""
    try:
        return load(account, (order_id,)).orders.get(order_id)
    except NotInBook:
        return None


def _gathered(account: AccountRef, *, prices: bool) -> Gathered | Rejection:
    gathered = gather(account, "", Needs(all_orders=True, prices=prices, terms=prices))
    if isinstance(gathered, Gathered | Rejection):
        return gathered
    raise InvariantBroken(f"{account}: a look without a command found a stored answer; report this with the request")
