"""POST: parse, ask whether it is permitted, carry out, answer. Nothing is decided here."""

import uuid
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import ACCOUNT_NOT_FOUND, Action
from accounts.api.base import ApiView, principal
from accounts.api.fields import is_idempotency_key
from accounts.api.parsing import body_of
from accounts.api.problems import Refused, problem
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Reason, Rejection
from orders.api import bodies
from orders.api.permission import require
from orders.messages import Done
from orders.verbs import carry_out

KEY_HEADER = "Idempotency-Key"
_UNDER_WAY = ("QUEUED", "PENDING_QUEUED")


class CommandView(ApiView):
    """One path, one body, one command that may be repeated with its key.

    `done_status` is the answer's when it was carried out at once; an order that waits for its provider is 202.
    """

    body: ClassVar[type[bodies.Body]]
    action: ClassVar[Action] = "trade"
    done_status: ClassVar[int] = 200
    repeatable: ClassVar[bool] = True
    #: Of this request, whoever made it; a lost reply is answered with it.
    idempotency_key: str = ""

    def post(self, request: Request, **path: str) -> Response:
        asker = principal(request)
        given = self.body(data=body_of(request))
        given.is_valid()
        self.idempotency_key = _key_of(request, given)
        account = account_named(given, path)
        require(asker, self.action, account)
        outcome = carry_out(given.to_command(asker, account, self.idempotency_key))
        return problem(outcome) if isinstance(outcome, Rejection) else self._answer(outcome)

    def _answer(self, done: Done) -> Response:
        """A replay is answered as the first time, with a header that tells."""
        order = done.answer.get("order")
        status = 202 if order and order["order_status"] in _UNDER_WAY else self.done_status
        headers = {KEY_HEADER: self.idempotency_key}
        if done.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response({"ok": True, **done.answer}, status=status, headers=headers)


class Execute(CommandView):
    """Open an order at the market."""

    body = bodies.Execute
    done_status = 201


class Close(CommandView):
    """Close an open order, in part or whole."""

    body = bodies.Close


class CloseEvery(CommandView):
    """Close all open orders of the account, or those of one symbol; one result an order."""

    body = bodies.CloseEvery


class Place(CommandView):
    """Place an order that rests until its price is touched."""

    body = bodies.Place
    done_status = 201


class Modify(CommandView):
    """Change a resting order."""

    body = bodies.Modify


class Cancel(CommandView):
    """Cancel a resting order."""

    body = bodies.Cancel


class AddStopLoss(CommandView):
    """Set or replace an order's stop loss."""

    body = bodies.AddStopLoss


class CancelStopLoss(CommandView):
    """Take an order's stop loss away."""

    body = bodies.CancelStopLoss


class AddTakeProfit(CommandView):
    """Set or replace an order's take profit."""

    body = bodies.AddTakeProfit


class CancelTakeProfit(CommandView):
    """Take an order's take profit away."""

    body = bodies.CancelTakeProfit


class Transfers(CommandView):
    """Move money or credit into or out of an account, as a dealer, with a reason."""

    body = bodies.Move
    action = "dealer"
    done_status = 201


def account_named(given: bodies.Body, path: dict[str, str]) -> AccountRef:
    """By the body, or by the path where it has the account."""
    return given.account if isinstance(given, bodies.AccountBody) else account_in_path(**path)


def account_in_path(user_type: str, user_id: str) -> AccountRef:
    try:
        return AccountRef.parse(f"{user_type}:{user_id}")
    except ValueError:
        raise Refused(ACCOUNT_NOT_FOUND) from None


def _key_of(request: Request, given: bodies.Body) -> str:
    """The client's key, from header or body, or one made here, which the answer tells."""
    header: str | None = request.headers.get(KEY_HEADER)
    field: str | None = given.asked.get("idempotency_key")
    if header is not None and not is_idempotency_key(header):
        fields = {KEY_HEADER: "must have 1 to 128 letters, digits or ._:/+=-"}
        raise Refused(Rejection(Reason.invalid_fields, "The Idempotency-Key header can't be used.", fields))
    if header is not None and field is not None and header != field:
        fields = {"idempotency_key": f"differs from the {KEY_HEADER} header"}
        raise Refused(Rejection(Reason.invalid_fields, "Two different idempotency keys were sent.", fields))
    return header or field or uuid.uuid4().hex
