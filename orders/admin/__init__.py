"""What staff see of orders: the record, and the halt switches. Importing this registers every page."""

from orders.admin import halts, record

__all__ = ["halts", "record"]
