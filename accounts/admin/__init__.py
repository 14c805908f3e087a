"""What staff see of people, terms and the audit log, and what the other rooms' pages are made from.

Importing this registers the pages.
"""

from accounts.admin import log, people, terms

__all__ = ["log", "people", "terms"]
