"""The worker processes, as a Django app: it brings their commands and their schedule, and has no tables."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"
