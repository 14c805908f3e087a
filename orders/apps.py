"""The orders application: tells the ledger when terms change."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = "Record"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import catalogue
        from orders.book.terms import renew

        catalogue.on_change(renew)
