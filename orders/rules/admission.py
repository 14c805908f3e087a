"""What an account may ask for: its status and leverage, the size of an order, and the margin behind it.

A close is asked about status and size only; reducing risk meets no margin gate.
"""

from decimal import Decimal
from typing import Final

from accounts.terms import Terms
from copytrading.kernel.decimals import ZERO, is_multiple, text
from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.rejections import Reason, Rejection
from orders.rules.facts import Valuation

LEVERAGE_MIN: Final = 1
LEVERAGE_MAX: Final = 5000

#: What each status refuses its owner: (opens, everything else).
_REFUSES: Final[dict[str, tuple[Reason | None, Reason | None]]] = {
    "active": (None, None),
    "close_only": (Reason.account_close_only, None),
    "read_only": (Reason.account_read_only, Reason.account_read_only),
    "disabled": (Reason.account_disabled, Reason.account_disabled),
}


def check_status(status: str, opening: bool, staff: bool) -> Rejection | None:
    """Whether an account of this status takes the command. `opening` adds risk: an open, a placement, its change."""
    if status not in _REFUSES:
        raise InvariantBroken(f"account status {status!r} is unknown; set one of {', '.join(_REFUSES)}")
    when_opening, otherwise = _REFUSES[status]
    reason = when_opening if opening else otherwise
    return None if staff or reason is None else Rejection(reason)


def check_leverage(leverage: int) -> Rejection | None:
    if LEVERAGE_MIN <= leverage <= LEVERAGE_MAX:
        return None
    return Rejection(Reason.invalid_leverage, f"The account's leverage is {leverage}.")


def check_lots(terms: Terms, lots: Decimal) -> Rejection | None:
    """The size of an order to be opened or placed. Steps count from zero, not from the minimum."""
    if lots > ZERO and terms.lot_min <= lots <= terms.lot_max and is_multiple(lots, terms.lot_step):
        return None
    return _wrong_quantity(terms, f"{text(lots)} lots of {terms.symbol} are outside its limits or off its step.")


def check_rest(terms: Terms, open_lots: Decimal, closing_lots: Decimal) -> Rejection | None:
    """The size of a close: at most what is open, and the rest zero or an order of its own right."""
    if closing_lots == open_lots and open_lots > ZERO:
        return None  # All of it may always go, whatever limits and step have become since it was opened.
    if not ZERO < closing_lots < open_lots or not is_multiple(closing_lots, terms.lot_step):
        return _wrong_quantity(terms, f"{text(closing_lots)} of {text(open_lots)} lots cannot be closed.", open_lots)
    rest = open_lots - closing_lots
    if rest < terms.lot_min:
        return _wrong_quantity(terms, f"The rest of {text(rest)} lots would be below the minimum.", open_lots)
    return None


def admit(before: Valuation, after: Valuation) -> Rejection | None:
    """Whether the account can carry what would be true `after` the fill: its free margin is then not negative."""
    if after.free_margin >= ZERO:
        return None
    required, available = text(before.free_margin - after.free_margin), text(before.free_margin)
    return Rejection(
        Reason.insufficient_margin,
        f"This takes {required} of free margin and {available} is there.",
        facts={"required": required, "available": available},
    )


def _wrong_quantity(terms: Terms, detail: str, open_lots: Decimal | None = None) -> Rejection:
    facts = {"lot_min": text(terms.lot_min), "lot_max": text(terms.lot_max), "lot_step": text(terms.lot_step)}
    if open_lots is not None:
        facts["open_lots"] = text(open_lots)
    fields = {"order_quantity": "Use a number of lots within the limits and on the step."}
    return Rejection(Reason.invalid_order_quantity, detail, fields, facts)
