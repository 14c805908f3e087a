"""The record: what the recorder folds out of the journals. Nobody else writes these tables."""

from orders.models.deal import Deal
from orders.models.journal import JournalEntry
from orders.models.order import Order
from orders.models.report import AuditReport
from orders.models.transfer import Transfer

__all__ = ["AuditReport", "Deal", "JournalEntry", "Order", "Transfer"]
