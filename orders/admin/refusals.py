"""What a verb refuses, in the words of whoever sits at a form: the API's words name fields of its bodies."""

import re

from copytrading.kernel.decimals import parse_plain
from copytrading.kernel.rejections import Reason, Rejection
from orders.admin import shown

_SAFE = "it is safe, since a form is carried out at most once."

#: What to do next. A reason that is not here says it to everybody alike.
_ADVICE = {
    Reason.ledger_unavailable: f"Nothing was done. Press the button again in a moment: {_SAFE}",
    Reason.outcome_unknown: f"It may have been done. Press the button again to learn: {_SAFE}",
    Reason.idempotency_mismatch: "This form was carried out before, with other values; nothing was done now. "
    "Look at the account, then open the form anew.",
    Reason.missing_fields: "Fill in the fields marked below.",
    Reason.invalid_fields: "Correct the fields marked below.",
    Reason.account_not_found: "Check the account's number.",
    Reason.order_not_found: "Look at the account: the order may have ended, or be another account's.",
    Reason.unknown_symbol: "Choose an instrument that the account's group offers.",
    Reason.not_permitted: "Your role does not cover this; have a dealer or an administrator do it.",
    Reason.routing_not_permitted: "Leave the routing as the account's, or have a dealer choose another.",
    Reason.unsupported_flow: "Have an administrator set the account's routing.",
    Reason.account_disabled: "Change the account's status first.",
    Reason.account_read_only: "Change the account's status first.",
    Reason.account_close_only: "Change the account's status first.",
    Reason.trading_halted: "Wait until it ends, or lift it on the page Halts.",
    Reason.price_moved: "Look at the price and try again.",
    Reason.insufficient_margin: "Use fewer lots, or deposit first.",
    Reason.insufficient_funds: "Take out at most what is available.",
    Reason.provider_unavailable: "No provider link is configured: route the account, or this order, to rock.",
    Reason.provider_rejected: "The provider's own words stand above.",
    Reason.provider_cancelled: "The provider's own words stand above.",
}
#: What happened, where the verb's sentence has bare figures. A name in braces is one of the facts.
_DETAIL = {
    Reason.insufficient_margin: "This takes {required} of free margin and {available} is there.",
    Reason.insufficient_funds: "At most {available} can be taken out now.",
}
_MONEY = ("required", "available")
_WORDS = {
    "stop_loss": "stop loss",
    "take_profit": "take profit",
    "order_price": "price",
    "order_quantity": "lots",
    "sending_orders": "routing",
}
_NAMES = re.compile(rf"\b({'|'.join(_WORDS)})\b")


def advice(reason: Reason) -> str:
    return _ADVICE.get(reason, reason.advice).replace("`", "")


def facts(refused: Rejection, currency: str) -> dict[str, str]:
    """By the names staff know them by, money as money."""
    return {
        name: shown.money(number, currency) if name in _MONEY and (number := parse_plain(value)) is not None else value
        for name, value in refused.facts.items()
    }


def detail(refused: Rejection, currency: str) -> str:
    """What happened; empty when the verb says no more than the reason."""
    if refused.reason in _DETAIL and set(_MONEY) <= refused.facts.keys():
        return _DETAIL[refused.reason].format(**facts(refused, currency))
    said = in_words(refused.detail.strip())
    return f"{said[:1].upper()}{said[1:]}"


def in_words(said: str) -> str:
    """With the fields called as the forms call them."""
    return _NAMES.sub(lambda found: _WORDS[found[1]], said)
