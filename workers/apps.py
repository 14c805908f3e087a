"""The worker processes, as a Django app: it brings their commands and their schedule, and has no tables."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"

    def ready(self) -> None:
        """Whoever asks for a task, in any process, asks the broker that the settings name."""
        from celery import current_app

        current_app.config_from_object("django.conf:settings", namespace="CELERY")
