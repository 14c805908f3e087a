"""Database rules that the record's tables share."""

from collections.abc import Iterable

from django.db.models import CheckConstraint, Q


def one_of_texts(field: str, allowed: Iterable[str]) -> CheckConstraint:
    return CheckConstraint(name=f"%(class)s_{field}_known", condition=Q((f"{field}__in", list(allowed))))


def whole(name: str, condition: Q) -> CheckConstraint:
    return CheckConstraint(name=f"%(class)s_{name}", condition=condition)
