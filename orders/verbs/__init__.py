"""Every command of the system enters here: one function, one table."""

from collections.abc import Callable
from typing import Any

from copytrading.kernel.rejections import Rejection
from copytrading.telemetry import about_request
from orders.messages import (
    CallMargin,
    CancelPending,
    CloseAll,
    CloseOrder,
    Command,
    Configure,
    Done,
    Fire,
    ModifyPending,
    MoveMoney,
    OpenOrder,
    PlacePending,
    Protect,
    TransferBetween,
)
from orders.verbs import call_margin, close, configure, fire, money, pending, protect
from orders.verbs.measure import measured, order_of
from orders.verbs.open import open_order

_VERBS: dict[type[Command], Callable[[Any], Done | Rejection]] = {
    OpenOrder: open_order,
    PlacePending: pending.place,
    ModifyPending: pending.modify,
    CancelPending: pending.cancel,
    CloseOrder: close.close,
    CloseAll: close.close_all,
    Protect: protect.protect,
    Fire: fire.fire,
    MoveMoney: money.move,
    TransferBetween: money.transfer,
    Configure: configure.configure,
    CallMargin: call_margin.call_margin,
}


def carry_out(command: Command) -> Done | Rejection:
    """Carry a command out, once however often it is sent with the same key.

    A Rejection changed nothing. Raises LedgerUnavailable (nothing was done) and OutcomeUnknown (ask again
    with the same key).
    """
    about_request(account=str(command.account), order=getattr(command, "order_id", None))
    done = measured(_VERBS[type(command)], command)
    about_request(order=order_of(done).get("order_id"))
    return done
