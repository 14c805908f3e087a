"""What the clock starts is in the database, where the admin can edit it, and names tasks that exist."""

import pytest
from django_celery_beat.models import PeriodicTask

from copytrading.celery import app

pytestmark = pytest.mark.django_db


def test_every_task_of_the_schedule_exists() -> None:
    app.loader.import_default_modules()
    scheduled = set(PeriodicTask.objects.exclude(task__startswith="celery.").values_list("task", flat=True))
    assert scheduled == {"workers.tasks.nightly_audit", "workers.tasks.prune", "workers.tasks.refresh_terms"}
    assert scheduled <= set(app.tasks)


def test_the_nightly_audit_runs_at_2215_utc() -> None:
    crontab = PeriodicTask.objects.get(name="Nightly audit").crontab
    assert (crontab.hour, crontab.minute, str(crontab.timezone)) == ("22", "15", "UTC")
