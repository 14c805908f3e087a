"""Column types and database rules that several tables share.

PostgreSQL's NUMERIC holds NaN and sorts it above every number, so each rule on a number has
an upper bound as well: that bound is what keeps NaN out.
"""

from decimal import Decimal
from typing import Any

from django.db.models import CheckConstraint, DecimalField, Q, TextChoices

#: Above whatever a column of this code base can hold.
BEYOND = Decimal(10) ** 16

CURRENCY_PATTERN = "^[A-Z]{3}$"
# The database's words for kernel.ids.is_symbol and is_group; a test keeps both the same.
SYMBOL_PATTERN = "^[A-Z0-9][A-Z0-9._]{1,15}$"
GROUP_PATTERN = "^[a-z0-9][a-z0-9_-]{0,31}$"


def money(**options: Any) -> "DecimalField[Any, Any]":
    """An amount in some currency: 16 digits before the point, 8 after it."""
    return DecimalField(max_digits=24, decimal_places=8, **options)


def price(**options: Any) -> "DecimalField[Any, Any]":
    """A price or a distance between prices: 10 digits on both sides of the point."""
    return DecimalField(max_digits=20, decimal_places=10, **options)


def size(**options: Any) -> "DecimalField[Any, Any]":
    """Lots, or the units of a contract: 12 digits before the point, 8 after it."""
    return DecimalField(max_digits=20, decimal_places=8, **options)


def factor(**options: Any) -> "DecimalField[Any, Any]":
    """A rate, a percentage or a factor: 8 digits before the point, 8 after it."""
    return DecimalField(max_digits=16, decimal_places=8, **options)


def rule(name: str, condition: Q, message: str) -> CheckConstraint:
    """A CHECK named after its table; `message` tells whoever breaks it in a form what to write instead."""
    return CheckConstraint(name=f"%(class)s_{name}", condition=condition, violation_error_message=message)


def between(field: str, low: object, high: object) -> CheckConstraint:
    """`low` <= field <= `high`."""
    condition = Q((f"{field}__gte", low), (f"{field}__lte", high))
    return rule(f"{field}_range", condition, f"{_words(field)} must be from {low} to {high}.")


def positive(field: str) -> CheckConstraint:
    condition = Q((f"{field}__gt", 0), (f"{field}__lt", BEYOND))
    return rule(f"{field}_positive", condition, f"{_words(field)} must be above zero.")


def not_negative(field: str) -> CheckConstraint:
    condition = Q((f"{field}__gte", 0), (f"{field}__lt", BEYOND))
    return rule(f"{field}_not_negative", condition, f"{_words(field)} must not be below zero.")


def number(field: str) -> CheckConstraint:
    """Of either sign, but a number."""
    return rule(f"{field}_number", Q((f"{field}__lt", BEYOND)), f"{_words(field)} must be a number.")


def one_of(field: str, choices: type[TextChoices]) -> CheckConstraint:
    allowed = ", ".join(value or "blank" for value in choices.values)
    return rule(f"{field}_known", Q((f"{field}__in", choices.values)), f"{_words(field)} must be one of {allowed}.")


def written_as(field: str, pattern: str, message: str) -> CheckConstraint:
    return rule(f"{field}_pattern", Q((f"{field}__regex", pattern)), message)


def _words(field: str) -> str:
    return field.replace("_", " ").capitalize()
