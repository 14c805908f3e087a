"""The admin of whatever shows or moves live state: account pages, staff actions, the record, the first page."""

from orders.admin import accounts, first_page, journal, record

__all__ = ["accounts", "first_page", "journal", "record"]
