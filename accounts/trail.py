"""The audit log's only writer: who did what to what, why, with what it was before and after."""

import getpass
import os
from typing import Any

import structlog
from django.db import Error, connection

from accounts.models import AuditEntry

_log = structlog.get_logger(__name__)

DONE = "done"


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


def console() -> str:
    """The principal of a command that somebody runs by hand on this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        name = str(os.getuid())
    return f"console:{name}"[:64]
