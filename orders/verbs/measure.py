"""Around every verb, whoever sends the command: its context for the log, one line at its end, and its figures."""

from collections.abc import Callable
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars, reset_contextvars

from copytrading import telemetry
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable, OutcomeUnknown
from copytrading.kernel.rejections import Reason, Rejection
from orders.messages import Command, Done
from orders.verbs.attempt import met_flow

C = TypeVar("C", bound=Command)

DONE, REPLAYED = "done", "replayed"
_log = structlog.get_logger(__name__)


def measured(verb: Callable[[C], Done | Rejection], command: C) -> Done | Rejection:
    """What `verb` gives or raises. Lines written meanwhile have the account, the verb and the order."""
    began = clock.monotonic()
    named = {"account": str(command.account), "verb": command.verb}
    order = getattr(command, "order_id", None)
    if order is not None:
        named["order"] = order
    outcome, ended = Reason.internal_error.name, None
    flow, bound = met_flow.set(telemetry.NONE), bind_contextvars(**named)
    try:
        ended = verb(command)
        outcome = _outcome(ended)
        return ended
    except LedgerUnavailable:
        outcome = Reason.ledger_unavailable.name
        raise
    except OutcomeUnknown:
        outcome = Reason.outcome_unknown.name
        raise
    finally:
        _tell(command, ended, outcome, clock.monotonic() - began)
        reset_contextvars(**bound)
        met_flow.reset(flow)


def order_of(done: Done | Rejection | None) -> dict[str, str]:
    """The order in an answer; none in that of a command that is about no single order."""
    order: dict[str, str] | None = done.answer.get("order") if isinstance(done, Done) else None
    return order or {}


def _outcome(ended: Done | Rejection) -> str:
    if isinstance(ended, Rejection):
        return ended.reason.name
    return REPLAYED if ended.replayed else DONE


def _tell(command: Command, ended: Done | Rejection | None, outcome: str, seconds: float) -> None:
    order = order_of(ended)
    flow = order.get("flow") or met_flow.get()
    told = {"order": order["order_id"]} if order else {}
    if isinstance(ended, Rejection):
        told["detail"] = ended.detail
    telemetry.count_command(command.verb, command.account.kind, flow, outcome, seconds)
    _log.info(
        "command", outcome=outcome, flow=flow, kind=command.account.kind, principal=command.principal,
        duration_ms=round(seconds * 1_000, 2), **told,
    )  # fmt: skip
