"""The audit log's only writer: who did what to what, why, with what it was before and after."""

import getpass
import os
from collections.abc import Callable
from typing import Any

import structlog
from django.db import Error, connection
from django.dispatch import receiver
from simple_history.models import HistoricalRecords

from accounts.limits import Limit, network, unless_away
from accounts.models import AuditEntry, User
from accounts.models.user import password_replaced

_log = structlog.get_logger(__name__)

DONE = "done"
NOBODY = "nobody"

#: Entries of one action that people cause who proved nothing: from one address, and from all. No flood fills the table.
STRANGERS_HERE = Limit("audit_address", allowed=10, window_s=60)
STRANGERS = Limit("audit_all", allowed=120, window_s=60)
#: Entries of one action that one address has missed; the next tells how many.
_LEFT_OUT = Limit("audit_left_out", allowed=0, window_s=86_400)


def note(
    principal: str,
    action: str,
    subject: str = "",
    *,
    outcome: str = DONE,
    reason: str = "",
    before: Any = None,
    after: Any = None,
) -> None:
    """Writes one entry. Address and request id are those of the request being answered, if one is.

    What it tells of is done already, so a database that is away does not undo it: the entry then
    stands whole in the process log, as an error. Nor does one whose connection broke meanwhile.
    """
    bound = structlog.contextvars.get_contextvars()
    entry: dict[str, Any] = {
        "principal": principal,
        "action": action,
        "subject": subject,
        "outcome": outcome,
        "reason": reason,
        "before": before,
        "after": after,
        "address": bound.get("address", ""),
        "request": bound.get("request", ""),
    }
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        AuditEntry.objects.create(**entry)
    except Error as error:
        _log.error("audit_entry_not_written", entry=entry, error=str(error), advice="keep this line: it is the record")


def note_stranger(action: str, outcome: str, about: Callable[[], tuple[str, str]]) -> None:
    """Notes what somebody was refused who proved nothing, if there is room; what there is no room for is counted.

    `about` gives subject and reason. It is only asked when there is room, so that a flood costs PostgreSQL nothing.
    While the market instance is away there is no room: nobody could say when the flood began.
    """
    address = network(str(structlog.contextvars.get_contextvars().get("address", "")))
    left_out = unless_away(lambda: _room(action, address))
    if left_out is not None:
        subject, reason = about()
        note(
            NOBODY, action, subject, outcome=outcome, reason=reason, after={"left_out": left_out} if left_out else None
        )


@receiver(password_replaced)
def _password_replaced(user: User, **_: Any) -> None:
    note(_whoever_is_here(), "change_password", f"user:{user.pk}", reason=user.why_replaced)


def _whoever_is_here() -> str:
    """Who is logged in to the admin whose request is being answered; outside of requests, who sits at the console."""
    user = getattr(getattr(HistoricalRecords.context, "request", None), "user", None)
    if isinstance(user, User):
        return f"user:{user.pk}"
    return console()


def _room(action: str, address: str) -> int | None:
    """How many entries of this address were left out before this one, None if this one has to be too."""
    if STRANGERS_HERE.count(action, address).beyond > 0 or STRANGERS.count(action).beyond > 0:
        _LEFT_OUT.count(action, address)
        return None
    return _LEFT_OUT.forgive(action, address)


def console() -> str:
    """The principal of a command that somebody runs by hand on this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        name = str(os.getuid())
    return f"console:{name}"[:64]
