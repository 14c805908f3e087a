"""What a GET may ask for in its query string, read as strictly as a body: unknown, doubled or odd is refused."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import TooManyFieldsSent
from rest_framework.request import Request

from accounts.access import Principal
from accounts.api.fields import (
    AccountIdField,
    AccountKindField,
    ChoiceField,
    OrderIdField,
    StrictField,
    StrictSerializer,
    SymbolField,
    TimeField,
)
from accounts.api.parsing import shown
from accounts.api.problems import Refused
from accounts.models import AccountStatus, rows_of
from copytrading.kernel import ids
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Reason, Rejection
from orders.api.permission import require, require_reading
from orders.looking.history import Wanted
from orders.rules.lifecycle import LIVE, TERMINAL

LIMIT = 50
MOST = 200
_WHOLE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
#: The last moment a calendar has.
_LAST_MS = 253_402_300_799_999
_LIMIT = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
TRANSFER_KINDS = (
    "deposit", "withdrawal", "correction", "credit_in", "credit_out", "transfer", "profit", "commission", "swap",
)  # fmt: skip
Q = TypeVar("Q", bound=StrictSerializer)


class LimitField(StrictField):
    def described(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not _LIMIT.fullmatch(data) or int(data) > MOST:
            raise self.wrong(f"not a whole number from 1 to {MOST}")
        return int(data)


def _whole(written: str) -> int:
    if not _WHOLE.fullmatch(written):
        raise ValueError(f"not a whole number: {written!r}")
    return int(written)


def _stamp_ms(written: str) -> int:
    stamp_ms = _whole(written)
    if stamp_ms > _LAST_MS:
        raise ValueError(f"beyond the calendar: {written}")
    return stamp_ms


def _account(written: str) -> str:
    return str(AccountRef.parse(written))


def _order_id(written: str) -> str:
    if ids.account_of(written) is None:
        raise ValueError(f"not an order id: {written!r}")
    return written


def _kind(written: str) -> str:
    if written not in ids.KINDS:
        raise ValueError(f"not a kind of account: {written!r}")
    return written


class CursorField(StrictField):
    """Where the page before ended, as its `next_cursor` said: the sort key of its last row, part by part."""

    def __init__(self, *parts: Callable[[str], Any], **options: Any) -> None:
        self.parts = parts
        super().__init__(**options)

    def described(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": 80, "description": "`next_cursor` of the page before."}

    def to_internal_value(self, data: Any) -> tuple[Any, ...]:
        given = data.split("-") if isinstance(data, str) and len(data) <= 80 else []
        try:
            return tuple(read(part) for read, part in zip(self.parts, given, strict=True))
        except ValueError:
            raise self.wrong("not a cursor that an answer gave") from None


class LineCursorField(CursorField):
    """Of deals and transfers: time, account, version, line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_stamp_ms, _account, _whole, _whole, **options)


class ListField(StrictField):
    """Several of a list of choices, with commas between them."""

    def __init__(self, choices: tuple[str, ...], **options: Any) -> None:
        self.choices = choices
        super().__init__(**options)

    def described(self) -> dict[str, Any]:
        each = f"({'|'.join(self.choices)})"
        return {"type": "string", "pattern": f"^{each}(,{each}){{0,19}}$", "example": ",".join(self.choices[:2])}

    def to_internal_value(self, data: Any) -> frozenset[str]:
        given = data.split(",") if isinstance(data, str) else []
        if not 0 < len(given) <= 20 or not set(given) <= set(self.choices):
            raise self.wrong(f"must be one or more of {', '.join(self.choices)}, with commas between them")
        return frozenset(given)


class Query(StrictSerializer):
    """Nothing."""

    @property
    def asked(self) -> dict[str, Any]:
        values: dict[str, Any] = self.validated_data
        return values


class AccountQuery(Query):
    """May name an account, by both its fields or none."""

    user_type = AccountKindField(required=False)
    user_id = AccountIdField(required=False)

    @property
    def account(self) -> AccountRef | None:
        named = {name: self.asked[name] for name in ("user_type", "user_id") if name in self.asked}
        if len(named) == 1:
            missing = ({"user_type", "user_id"} - named.keys()).pop()
            raise Refused(Rejection(Reason.missing_fields, f"Give {missing} as well.", {missing: "missing"}))
        return AccountRef(named["user_type"], named["user_id"]) if named else None


class PagedQuery(Query):
    limit = LimitField(required=False)

    @property
    def limit_asked(self) -> int:
        limit: int = self.asked.get("limit", LIMIT)
        return limit


class HistoryQuery(PagedQuery):
    since = TimeField(required=False)
    until = TimeField(required=False)

    def wanted(self) -> Wanted:
        asked = self.asked
        return Wanted(
            symbol=asked.get("symbol", ""),
            order_id=asked.get("order_id", ""),
            statuses=asked.get("status", frozenset()),
            kinds=asked.get("kind", frozenset()),
            since_ms=asked.get("since", 0),
            until_ms=asked.get("until", 0),
        )


class AccountOrdersQuery(HistoryQuery):
    status = ListField((*sorted(LIVE), *sorted(TERMINAL)), required=False)
    symbol = SymbolField(required=False)
    cursor = CursorField(_stamp_ms, _order_id, required=False)


class OrdersQuery(AccountQuery, AccountOrdersQuery):
    pass


class DealsQuery(AccountQuery, HistoryQuery):
    symbol = SymbolField(required=False)
    order_id = OrderIdField(required=False)
    cursor = LineCursorField(required=False)


class TransfersQuery(HistoryQuery):
    kind = ListField(TRANSFER_KINDS, required=False)
    cursor = LineCursorField(required=False)


class AccountsQuery(PagedQuery):
    user_type = AccountKindField(required=False)
    status = ChoiceField(AccountStatus.values, required=False)
    cursor = CursorField(_kind, _whole, required=False)


class QuotesQuery(AccountQuery):
    symbol = SymbolField(required=False)


def asked_by(query: type[Q], request: Request) -> Q:
    """The query string as `query`. Raises Refused for what it may not hold."""
    try:
        given = request.query_params
    except TooManyFieldsSent:
        raise Refused(Rejection(Reason.unknown_field, "No path takes so many parameters.")) from None
    twice = [name for name, values in given.lists() if len(values) > 1]
    if twice:
        names = {shown(name): "given twice" for name in twice[:20]}
        raise Refused(Rejection(Reason.invalid_fields, "These parameters are given more than once.", names))
    made = query(data=given.dict())
    made.is_valid()
    return made


def write_cursor(place: tuple[Any, ...]) -> str:
    return "-".join(str(part) for part in place)


def accounts_for(asker: Principal, named: AccountRef | None) -> tuple[AccountRef, ...] | None:
    """Whose rows the principal may see of those asked for; None is everybody's. Raises Refused for a hidden account."""
    if named:
        require(asker, "view", named)
        return (named,)
    if asker.looks_everywhere:
        return None
    require_reading(asker)
    return tuple(
        AccountRef(kind, pk)
        for kind in ids.KINDS
        for pk in rows_of(kind).filter(owner_id=asker.user_id).order_by("pk").values_list("pk", flat=True)
    )
