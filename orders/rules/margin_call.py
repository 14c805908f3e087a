"""When an account is told that its margin runs out."""

from accounts.terms import GroupTerms
from copytrading.kernel.decimals import ZERO
from orders.rules.facts import Valuation


def is_margin_call(valuation: Valuation, group: GroupTerms) -> bool:
    """At or below the group's level; or, where hedging leaves open orders without margin, with no equity left."""
    if valuation.level is not None:
        return valuation.level <= group.margin_call_level
    # No margin and yet a floating result: hedged orders are open.
    return valuation.equity <= ZERO and not valuation.floating.is_zero()
