"""What an audit says: differences by name, and how grave the gravest is."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Outcome(IntEnum):
    """Exit statuses of `manage.py audit`; the gravest wins."""

    CLEAN = 0
    DRIFT = 1
    LOSS = 2
    UNCHECKED = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` names the kind of difference, `where` the account, order or index."""

    what: str
    where: str
    detail: str
    gravity: Outcome = Outcome.DRIFT


def outcome_of(differences: Iterable[Difference]) -> Outcome:
    return max((difference.gravity for difference in differences), default=Outcome.CLEAN)
