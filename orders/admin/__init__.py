"""The admin of whatever shows or moves live state: account pages, staff actions, and the record."""

from orders.admin import accounts, record

__all__ = ["accounts", "record"]
