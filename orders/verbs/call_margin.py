"""Latch or release an account's margin call, decided from a fresh load."""

from copytrading.kernel.rejections import Reason, Rejection
from orders.book.account import Changes, changed
from orders.messages import CallMargin, Done
from orders.rules import margin_call, valuation
from orders.verbs.admit import measure
from orders.verbs.attempt import Decision, Gathered, Needs, Prices, attempt


def call_margin(command: CallMargin) -> Done | Rejection:
    return attempt(command, lambda gathered: _decide(command, gathered), Needs())


def _decide(command: CallMargin, gathered: Gathered) -> Decision | Rejection:
    before, desk = gathered.state.portfolio, gathered.desk
    if stale := valuation.check_held_quotes({symbol: desk.terms[symbol] for symbol in before.exposures}, desk.market):
        return stale
    measured = measure(before, desk)
    if isinstance(measured, Rejection):
        return measured
    called = margin_call.is_margin_call(measured, desk.group)
    if called != command.called or called == before.margin_called:
        return Rejection(Reason.conflict, f"The margin call of {command.account} has changed by itself.")
    return Decision(
        Changes(changed(before, margin_called=called)),
        {"margin_called": called},
        Prices(tuple(before.exposures)),
    )
