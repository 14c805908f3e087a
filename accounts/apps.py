"""The app of who may trade, and on what terms."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    label = "accounts"
    verbose_name = "Accounts and terms"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # It listens for passwords that are replaced, in every process.
        import accounts.trail  # noqa: F401
