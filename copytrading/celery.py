"""Celery runs what the clock starts. What an order starts runs in `workers`, from streams."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "copytrading.settings")

app = Celery("copytrading")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
