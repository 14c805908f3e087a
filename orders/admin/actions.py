"""The table of what staff may do to an account or to one of its orders, and what each says when it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin.access import configures, deals
from orders.admin import action_forms as forms
from orders.admin import shown
from orders.admin.links import account_link, order_link

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StaffAction:
    """`name` stands in the address and the audit log, `label` on the button that leads to the form.

    `submit` stands on the form's own button. An action on an order names the statuses of those it is offered for.
    `told` makes a sentence of the verb's answer, with money in the account's currency.
    `about` is what the audit log keeps before and after.
    """

    name: str
    label: str
    submit: str
    hint: str
    form: type[forms.ActionForm]
    about: Literal["order", "money", "terms"]
    told: Callable[[Answer, str], SafeString]
    may: Callable[[HttpRequest], bool] = deals
    statuses: tuple[str, ...] = ()
    danger: bool = False
    icon: str = ""

    @property
    def on_order(self) -> bool:
        return bool(self.statuses)


def _opened(answer: Answer, _: str) -> SafeString:
    order = answer["order"]
    what = f"{order['side']} {order['open_quantity']} {order['symbol']} at {_price(order, 'open_price')}"
    return format_html("Opened {}: {}.", what, order_link(order["order_id"]))


def _placed(answer: Answer, _: str) -> SafeString:
    return format_html("Placed {}: {}.", _resting(answer["order"]), order_link(answer["order"]["order_id"]))


def _modified(answer: Answer, _: str) -> SafeString:
    return format_html("Modified {}: now {}.", order_link(answer["order"]["order_id"]), _resting(answer["order"]))


def _protected(answer: Answer, _: str) -> SafeString:
    order = answer["order"]
    levels = f"stop loss {_price(order, 'stop_loss')}, take profit {_price(order, 'take_profit')}"
    return format_html("Set on {}: {}.", order_link(order["order_id"]), levels)


def _closed(answer: Answer, currency: str) -> SafeString:
    order = answer["order"]
    profit = shown.money(Decimal(order["profit"]), currency)
    if order["order_status"] == "CLOSED":
        made = f"at {_price(order, 'close_price')}, profit {profit}"
        return format_html("Closed {} {}.", order_link(order["order_id"]), made)
    left = f"{order['open_quantity']} lots stay open, profit so far {profit}"
    return format_html("Closed a part of {}: {}.", order_link(order["order_id"]), left)


def _closed_all(answer: Answer, _: str) -> SafeString:
    results = answer["results"]
    refused = [(order_link(each["order_id"]), each["reason"].replace("_", " "), each["detail"].rstrip("."))
               for each in results if not each["ok"]]  # fmt: skip
    count = len(results) - len(refused)
    if not results:
        return SafeString("There was no open order to close.")
    if not refused:
        return format_html("Closed {}.", "1 order" if count == 1 else f"{count} orders")
    listed = format_html_join("", " {} stays open ({}: {}).", refused)
    return format_html("Closed {} of {} orders.{}", count, len(results), listed)


def _cancelled(answer: Answer, _: str) -> SafeString:
    return format_html("Cancelled {}.", order_link(answer["order"]["order_id"]))


def _moved(answer: Answer, currency: str) -> SafeString:
    """A correction may go either way, which its sign tells; of every other kind the name does."""
    moved = answer["transfer"]
    correction = moved["kind"] == "correction"
    amount = Decimal(moved["amount"])
    taken = correction and not moved["debit"].startswith("house:")
    named = moved["kind"].replace("_", " ").capitalize()
    what = shown.money(-amount if taken else amount, currency, signed=correction)
    left = f"balance {_amount(answer['balance'], currency)}, credit {_amount(answer['credit'], currency)}"
    return format_html("{} of {}: now {}.", named, what, left)


def _transferred(answer: Answer, currency: str) -> SafeString:
    state = "arrived" if answer["state"] == "arrived" else "under way, and will arrive by itself"
    what, left = _amount(answer["transfer"]["amount"], currency), _amount(answer["balance"], currency)
    return format_html("{} to {}: {}. Balance {}.", what, account_link(answer["destination"]), state, left)


def _configured(answer: Answer, _: str) -> SafeString:
    before, after = answer["before"], answer["after"]
    changed = [f"{name.replace('_', ' ')} {before[name] or 'default'} → {after[name] or 'default'}" for name in after
               if after[name] != before[name]]  # fmt: skip
    return format_html("Changed: {}.", ", ".join(changed) or "nothing, it held already")


def _resting(order: Answer) -> str:
    return f"{order['order_type']} {order['order_quantity']} {order['symbol']} at {_price(order, 'order_price')}"


def _amount(written: str, currency: str) -> str:
    return shown.money(Decimal(written), currency)


def _price(order: Answer, name: str) -> str:
    return shown.quoted(Decimal(order[name]), order["symbol"]) if order[name] else "none"


_LIVE = ("OPEN", "PENDING")

#: By where their buttons stand.
TRADING = (
    StaffAction("open", "Open at market", "Open the order", "Filled at once, at the client's price of now.",
                forms.OpenForm, "order", _opened, icon="bolt"),
    StaffAction("place", "Place pending", "Place the order", "Rests until its price is touched.",
                forms.PlaceForm, "order", _placed, icon="schedule"),
    StaffAction("close_all", "Close all", "Close all orders", "Closes every open order, at the prices of now.",
                forms.CloseAllForm, "order", _closed_all, danger=True, icon="playlist_remove"),
)  # fmt: skip
MONEY = (
    StaffAction("deposit", "Deposit", "Deposit", "Money from outside comes onto the account.",
                forms.DepositForm, "money", _moved, icon="add"),
    StaffAction("withdrawal", "Withdraw", "Withdraw", "Money leaves the account and the broker.",
                forms.WithdrawalForm, "money", _moved, icon="remove"),
    StaffAction("transfer", "Transfer", "Transfer", "Money goes to another account of the same currency.",
                forms.TransferForm, "money", _transferred, icon="swap_horiz"),
    StaffAction("credit_in", "Credit in", "Give credit", "Credit carries positions and is never paid out.",
                forms.CreditInForm, "money", _moved, icon="add_card"),
    StaffAction("credit_out", "Credit out", "Take credit back", "Credit given before is taken back.",
                forms.CreditOutForm, "money", _moved, icon="credit_card_off"),
    StaffAction("correction", "Correct", "Correct the balance", "Makes good an error, against the house error account.",
                forms.CorrectionForm, "money", _moved, icon="balance"),
)  # fmt: skip
ACCOUNT = (
    StaffAction("status", "Status", "Change the status", "What the owner may ask for.",
                forms.StatusForm, "terms", _configured, icon="lock"),
    StaffAction("configure", "Configure", "Change the terms", "On what terms the account trades from now on.",
                forms.ConfigureForm, "terms", _configured, may=configures, icon="tune"),
)  # fmt: skip
ON_ORDER = (
    StaffAction("close", "Close", "Close the order", "At the client's price of now, whole or in part.",
                forms.CloseForm, "order", _closed, statuses=("OPEN",), danger=True),
    StaffAction("stops", "Set stops", "Set the stops", "Sets, moves or takes away stop loss and take profit.",
                forms.StopsForm, "order", _protected, statuses=_LIVE),
    StaffAction("modify", "Modify", "Modify the order", "Changes an order that still rests.",
                forms.ModifyForm, "order", _modified, statuses=("PENDING",)),
    StaffAction("cancel", "Cancel", "Cancel the order", "The resting order ends without a fill.",
                forms.CancelForm, "order", _cancelled, statuses=("PENDING",), danger=True),
)  # fmt: skip
ACTIONS = {action.name: action for action in (*TRADING, *MONEY, *ACCOUNT, *ON_ORDER)}


def offered_for(status: str) -> list[StaffAction]:
    """What may be done to an order of this status."""
    return [action for action in ON_ORDER if status in action.statuses]
