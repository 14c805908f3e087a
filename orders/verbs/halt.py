"""Halt trading, or lift a halt: in force on the ledger at once, kept in the record for the rebuild."""

from dataclasses import asdict
from typing import Any

import structlog
from django.db import Error, connection

from accounts import catalogue as catalogues
from accounts import trail
from accounts.models import Halt as HaltRecord
from copytrading.kernel import clock
from copytrading.kernel.errors import LedgerUnavailable
from copytrading.kernel.ids import is_group, is_symbol
from copytrading.kernel.rejections import Reason, Rejection
from orders.book import codec, keys, terms
from orders.book.connection import Call, Ledger, ledger
from orders.rules.halts import Halt

_log = structlog.get_logger(__name__)


def check_scope(scope: str) -> Rejection | None:
    """platform, group:<name> or instrument:<symbol>."""
    kind, _, name = scope.partition(":")
    if scope == "platform" or (kind == "group" and is_group(name)) or (kind == "instrument" and is_symbol(name)):
        return None
    return Rejection(
        Reason.invalid_fields,
        f"{scope!r} can't be halted",
        {"scope": "Use platform, group:<name> or instrument:<symbol>."},
    )


def _check_exists(scope: str) -> Rejection | None:
    """A slip of the pen must not pass for a halt. Without the catalogue, the word of the operator counts."""
    kind, _, name = scope.partition(":")
    try:
        known = catalogues.current(terms.epoch())
    except LedgerUnavailable:
        return None
    names = {"group": set(known.groups), "instrument": {symbol for _, symbol in known.terms}}.get(kind)
    if names is None or name in names:
        return None
    advice = {"scope": f"Use one of: {', '.join(sorted(names))}."}
    return Rejection(Reason.invalid_fields, f"there is no {kind} {name}", advice)


def halt(halted: Halt, by: str) -> Rejection | None:
    """In force when this returns None. Replaces an earlier halt of the same scope."""
    if refused := check_scope(halted.scope) or _check_said(halted) or _check_exists(halted.scope):
        return refused
    before, _ = ledger().run([_get(halted.scope), _set(halted)])
    _log.warning("halted", scope=halted.scope, reason=halted.reason, opens_only=halted.opens_only, by=by)
    _record(halted.scope, by, halted)
    trail.note(by, "halt", halted.scope, reason=halted.reason, before=_told(halted.scope, before), after=asdict(halted))
    return None


def lift(scope: str, by: str, reason: str = "") -> bool:
    """True if there was a halt to lift."""
    before, removed = ledger().run([_get(scope), (keys.HALTS, ("HDEL", keys.HALTS, scope))])
    _log.warning("halt_lifted", scope=scope, by=by, reason=reason, was_halted=bool(removed))
    _record(scope, by, None)
    if removed:
        trail.note(by, "lift_halt", scope, reason=reason, before=_told(scope, before))
    return bool(removed)


def standing(book: Ledger | None = None) -> list[Halt]:
    """Halts that were not lifted, by scope. One that has ended by its time may be among them."""
    written = (book or ledger()).run([(keys.HALTS, ("HGETALL", keys.HALTS))])[0]
    return [codec.decode_halt(scope, value) for scope, value in sorted(written.items())]


def in_force(book: Ledger | None = None) -> list[Halt]:
    now_ms = clock.now_ms()
    return [halt for halt in standing(book) if not halt.is_over(now_ms)]


def _check_said(halted: Halt) -> Rejection | None:
    if not halted.reason.strip():
        return Rejection(Reason.invalid_fields, "a halt needs a reason", {"reason": "Say why; traders read it."})
    if halted.is_over(clock.now_ms()):
        end = {"until": "Give a time in the future, or none."}
        return Rejection(Reason.invalid_fields, "the end of the halt has passed already", end)
    return None


def _get(scope: str) -> Call:
    return keys.HALTS, ("HGET", keys.HALTS, scope)


def _set(halted: Halt) -> Call:
    return keys.HALTS, ("HSET", keys.HALTS, halted.scope, codec.encode_halt(halted))


def _told(scope: str, written: str | None) -> dict[str, Any] | None:
    return asdict(codec.decode_halt(scope, written)) if written else None


def _record(scope: str, by: str, halted: Halt | None) -> None:
    """The record must not stand in the way of a halt: without the database it is in force all the same."""
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        HaltRecord.objects.filter(scope=scope, lifted_at=None).update(lifted_at=clock.now(), lifted_by=by)
        if halted:
            HaltRecord.objects.create(
                scope=scope,
                opens_only=halted.opens_only,
                reason=halted.reason,
                until=clock.from_ms(halted.until_ms) if halted.until_ms else None,
                set_by=by,
            )
    except Error as error:
        _log.error("halt_not_recorded", scope=scope, error=str(error), advice="set it again once PostgreSQL is back")
