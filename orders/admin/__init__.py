"""What staff see of orders, accounts and halts, and do. Importing this registers every page."""

from orders.admin import accounts, first_page, halts, journal, record

__all__ = ["accounts", "first_page", "halts", "journal", "record"]
