"""POST: parse, ask whether it is permitted, carry out, answer. Nothing is decided here; `urls.py` is the table."""

import uuid
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import ACCOUNT_NOT_FOUND, ORDER_NOT_FOUND, Action
from accounts.api.base import ApiViewSet, principal
from accounts.api.fields import is_idempotency_key
from accounts.api.parsing import body_of, is_empty
from accounts.api.problems import Refused, problem
from copytrading.kernel.ids import AccountRef, account_of
from copytrading.kernel.rejections import Reason, Rejection
from orders.api import bodies, shapes
from orders.api.permission import require, require_of_order
from orders.messages import Done
from orders.verbs import carry_out

KEY_HEADER = "Idempotency-Key"
_UNDER_WAY = ("QUEUED", "PENDING_QUEUED")


class Commands(ApiViewSet):
    """One path, one body, one command that may be repeated with its key.

    `done_status` is the answer's when it was carried out at once; an order that waits for its provider
    is 202, and `may_wait` says that there may be one. `kind` is the only kind of account the path is
    for, "" if it is for all.
    """

    body: type[bodies.Body] = bodies.Body
    needs: Action = "trade"
    done_status: int = 200
    may_wait: bool = False
    kind: str = ""
    answer: type[shapes.Answer] = shapes.OneOrder
    repeatable = True
    #: Of this request, whoever made it; a lost reply is answered with it.
    idempotency_key: str = ""

    def carry_out(self, request: Request, **path: str) -> Response:
        asker = principal(request)
        given = self.body(data=self._sent(request, path))
        given.is_valid()
        self.idempotency_key = _key_of(request, given)
        permitted = require_of_order if "order_id" in path else require
        permitted(asker, self.needs, given.account)
        outcome = carry_out(given.to_command(asker, given.account, self.idempotency_key))
        return problem(outcome) if isinstance(outcome, Rejection) else self._answer(outcome)

    def _sent(self, request: Request, path: dict[str, str]) -> dict[str, Any]:
        """The body, with what the path says already; where that is all it takes, no body is needed."""
        named = _named(path, self.kind)
        sent = {} if path and is_empty(request) else body_of(request)
        odd = [name for name, value in named.items() if name in sent and str(sent[name]) != value]
        if odd:
            fields = dict.fromkeys(odd, "differs from the path; leave it out")
            raise Refused(Rejection(Reason.invalid_fields, "The body speaks of something else than the path.", fields))
        return {**sent, **named}

    def _answer(self, done: Done) -> Response:
        """A replay is answered as the first time, with a header that tells."""
        order = done.answer.get("order")
        status = 202 if order and order["order_status"] in _UNDER_WAY else self.done_status
        headers = {KEY_HEADER: self.idempotency_key}
        if done.replayed:
            headers["Idempotent-Replayed"] = "true"
        ok = all(result["ok"] for result in done.answer.get("results", ()))
        return Response({"ok": ok, **done.answer}, status=status, headers=headers)


def account_in_path(user_type: str, user_id: str) -> AccountRef:
    try:
        return AccountRef.parse(f"{user_type}:{user_id}")
    except ValueError:
        raise Refused(ACCOUNT_NOT_FOUND) from None


def _named(path: dict[str, str], kind: str) -> dict[str, str]:
    """Account and order, as the fields of a body, by the path and by the one kind it is for."""
    if "order_id" in path:
        account = account_of(path["order_id"])
        if account is None or account.kind != kind:
            raise Refused(ORDER_NOT_FOUND)
        return {"user_type": account.kind, "user_id": str(account.id), "order_id": path["order_id"]}
    if path:
        account = account_in_path(**path)
        return {"user_type": account.kind, "user_id": str(account.id)}
    return {"user_type": kind} if kind else {}


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
