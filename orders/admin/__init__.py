"""The admin of whatever shows or moves live state."""

from orders.admin import first_page, journal, record

__all__ = ["first_page", "journal", "record"]
