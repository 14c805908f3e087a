"""Why something was refused: one ordered list of reasons, named alike in API, admin, queues and statistics.

`Reason` is ordered as checks are made: when several would apply, the earlier one is given.
Each carries the HTTP status it answers with, whether waiting may help (`transient`), and one
sentence that tells the reader what to do next.
"""

from dataclasses import dataclass, field
from enum import Enum


class Reason(Enum):
    # name = (http status, transient, what to do next)
    invalid_json = (400, False, "Send one JSON object, at most 16 levels deep, with no key twice.")
    body_too_large = (413, False, "Send at most 64 KiB.")
    unsupported_media_type = (415, False, "Send Content-Type: application/json, and no Content-Encoding.")
    not_authenticated = (401, False, "Log in, or send Authorization: Bearer with a valid token or API key.")
    host_not_allowed = (400, False, "Use a host name this service answers to; its operator sets them by ALLOWED_HOSTS.")
    not_acceptable = (406, False, "Ask for application/json, or leave the Accept header out.")
    path_not_found = (404, False, "Check the path; no path ends in a slash.")
    method_not_allowed = (405, False, "Use one of the methods the Allow header names.")
    rate_limited = (429, True, "Wait for the time Retry-After names, then try again.")
    missing_fields = (400, False, "Add the fields named in `fields`.")
    unknown_field = (400, False, "Remove the fields named in `fields`.")
    invalid_fields = (400, False, "Correct the fields named in `fields`.")
    invalid_order_type = (400, False, "Use one of the order types this path takes.")
    invalid_order_quantity = (400, False, "Use a number of lots within the limits and on the step given.")
    account_not_found = (404, False, "Check user_type and user_id; only accounts you may see are found.")
    order_not_found = (404, False, "Check order_id; only orders of accounts you may see are found.")
    unknown_symbol = (404, False, "Use a symbol that this account's group offers.")
    strategy_not_found = (404, False, "Check the strategy's id or link.")
    subscription_not_found = (404, False, "Check the subscription's id.")
    request_not_found = (404, False, "Check the request's id.")
    not_permitted = (403, False, "Ask the broker, or use a log-in or key that may; `detail` says what is missing.")
    copied_order = (403, False, "This order is run by a strategy; stop copying to manage it yourself.")
    routing_not_permitted = (403, False, "Leave sending_orders out; only a dealer may route an order elsewhere.")
    idempotency_mismatch = (422, False, "This idempotency key was used with another body; use a new key.")
    idempotency_in_progress = (409, True, "The first request with this key is still under way; ask again.")
    unsupported_flow = (422, False, "Have an administrator set sending_orders of this account.")
    invalid_leverage = (422, False, "Have an administrator set a leverage from 1 to 5000.")
    missing_group_data = (422, False, "Have an administrator complete the account's group.")
    ledger_unavailable = (503, True, "Nothing was done. Try again shortly; operations: see /readyz.")
    record_unavailable = (503, True, "History and log-in are away for now, trading is not. Try again shortly.")
    account_disabled = (409, False, "This account is disabled; ask the broker.")
    account_read_only = (409, False, "This account is read-only; ask the broker.")
    account_close_only = (409, False, "This account may only close positions; ask the broker.")
    trading_halted = (409, True, "Trading is halted; `detail` says why and until when.")
    market_closed = (409, True, "Wait until the instrument's market opens.")
    no_price = (503, True, "There is no valid price of this instrument yet; try again shortly.")
    stale_price = (503, True, "The last price is too old; try again shortly.")
    order_not_open = (409, False, "Look at the order: only one that is OPEN can be closed or protected.")
    order_not_pending = (409, False, "Look at the order: only one that is PENDING can be modified or cancelled.")
    stop_not_set = (409, False, "Look at the order: there is no such level to take away.")
    request_in_flight = (409, True, "An earlier request on this order is unanswered; try again when it is.")
    invalid_price_side = (400, False, "Put the price on the side of the market this order type needs.")
    invalid_stop_loss = (400, False, "Put the stop loss beyond the price, at least by the distance given.")
    invalid_take_profit = (400, False, "Put the take profit beyond the price, at least by the distance given.")
    price_moved = (409, True, "The price moved further than max_deviation_points allows; quote again.")
    conversion_rate_unavailable = (409, True, "There is no rate between the currencies involved; try again shortly.")
    insufficient_margin = (409, False, "Use fewer lots or deposit; `required` and `available` are given.")
    insufficient_funds = (409, False, "Take out at most the `available` amount.")
    currency_mismatch = (409, False, "Use two accounts of the same currency.")
    open_orders_exist = (409, False, "Close or cancel the account's orders first.")
    provider_unavailable = (503, False, "No provider link is configured; ask the broker.")
    provider_unreachable = (503, True, "The provider link is down; nothing was sent. Try again shortly.")
    provider_rejected = (409, False, "The provider refused; its own words are in `detail`.")
    provider_cancelled = (409, False, "The provider cancelled this order; its own words are in `detail`.")
    already_following = (409, False, "This account already follows that strategy.")
    self_follow = (409, False, "A strategy can't follow itself.")
    copy_cycle = (409, False, "Following would make a circle of strategies.")
    strategy_closed = (409, False, "This strategy takes no new followers.")
    strategy_full = (409, False, "This strategy has reached its limit of followers or money.")
    below_minimum_investment = (409, False, "Invest at least the strategy's minimum.")
    outcome_unknown = (503, True, "It may have been done. Send the same body again with this Idempotency-Key to learn.")
    internal_error = (500, False, "This is our fault and has been noted. Look at the account before you send it again.")
    conflict = (409, True, "The account was busy; nothing was done. Try again.")

    def __init__(self, http_status: int, transient: bool, advice: str) -> None:
        self.http_status = http_status
        self.transient = transient
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal. `detail` is one sentence about this case, `facts` what the client needs to know.

    `fields` name what in the request is meant, each with what to write there instead. `retry_after_s` is how long
    waiting takes where that is known, else 0.
    """

    reason: Reason
    detail: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    retry_after_s: int = 0
