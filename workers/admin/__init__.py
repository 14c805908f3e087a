"""The admin of the running system. Importing this adds its pages."""

from workers.admin import operations, schedule

__all__ = ["operations", "schedule"]
