"""Orders that the book has let go, read from the record."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from copytrading.kernel import clock
from orders import models
from orders.rules.facts import Order

_EPOCH = clock.from_ms(0)


def recorded_order(order_id: str) -> Order | None:
    """The order as it was last recorded. Raises django.db.Error when PostgreSQL is away."""
    row = models.Order.objects.filter(pk=order_id).first()
    return None if row is None else Order(**{field.name: _read(row, field.name) for field in fields(Order)})


def _read(row: models.Order, name: str) -> Any:
    """A field ending in `_ms` is the column of the same name without it, as milliseconds; NULL is its 0."""
    if not name.endswith("_at_ms"):
        return getattr(row, name)
    moment: datetime | None = getattr(row, name.removesuffix("_ms"))
    return 0 if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)
