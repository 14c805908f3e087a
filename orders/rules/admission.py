"""What an account may ask for: its status and leverage, the size of an order and the margin behind it, and its money.

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
#: In account currency. The record holds a thousand times as much, which leaves room for what is earned.
MOST_MONEY: Final = Decimal(10**13)

#: What each status refuses its owner: (opens, everything else).
_REFUSES: Final[dict[str, tuple[Reason | None, Reason | None]]] = {
    "active": (None, None),
    "close_only": (Reason.account_close_only, None),
    "read_only": (Reason.account_read_only, Reason.account_read_only),
    "disabled": (Reason.account_disabled, Reason.account_disabled),
}


def not_offered(group: str, symbol: str) -> Rejection:
    advice = {"symbol": "Use a symbol that GET /api/instruments lists for this account."}
    return Rejection(Reason.unknown_symbol, f"Group {group} does not offer {symbol}.", advice)


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


def check_money(amount: Decimal, after: Decimal) -> Rejection | None:
    """Whether `amount` may be moved and leave a balance or credit of `after`: both must be what the record can hold."""
    if abs(amount) <= MOST_MONEY and abs(after) <= MOST_MONEY:
        return None
    most = text(MOST_MONEY)
    detail = f"Moving {text(amount)} would make {text(after)}; no amount, balance or credit may go beyond {most}."
    return Rejection(Reason.invalid_fields, detail, {"amount": f"Move less: at most {most} may be held."})


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
        return _wrong_close(terms, f"{text(closing_lots)} of {text(open_lots)} lots can't be closed.", open_lots)
    rest = open_lots - closing_lots
    if rest < terms.lot_min:
        return _wrong_close(terms, f"The rest of {text(rest)} lots would be below the minimum.", open_lots)
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


def _wrong_quantity(terms: Terms, detail: str) -> Rejection:
    lot_min, lot_max, lot_step = text(terms.lot_min), text(terms.lot_max), text(terms.lot_step)
    fields = {"order_quantity": f"Use {lot_min} to {lot_max} lots, in steps of {lot_step}."}
    facts = {"lot_min": lot_min, "lot_max": lot_max, "lot_step": lot_step}
    return Rejection(Reason.invalid_order_quantity, detail, fields, facts)


def _wrong_close(terms: Terms, detail: str, open_lots: Decimal) -> Rejection:
    lot_min, lot_step, most = text(terms.lot_min), text(terms.lot_step), text(open_lots)
    advice = f"Close at most {most} lots, in steps of {lot_step}; all of them, or leave at least {lot_min}."
    facts = {"lot_min": lot_min, "lot_step": lot_step, "open_quantity": most}
    return Rejection(Reason.invalid_order_quantity, detail, {"order_quantity": advice}, facts)
