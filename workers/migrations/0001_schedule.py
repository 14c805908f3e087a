"""What the clock starts, as rows that the admin can edit afterwards."""

from typing import Any

from django.db import migrations

#: name, task, hour, minute; UTC, after the New York close.
CRON = (
    ("Nightly audit", "workers.tasks.nightly_audit", "22", "15"),
    ("Pruning", "workers.tasks.prune", "22", "45"),
)
EVERY_MINUTES = (("Refresh of terms", "workers.tasks.refresh_terms", 5),)


def add(apps: Any, schema_editor: Any) -> None:
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    for name, task, hour, minute in CRON:
        crontab, _ = crontabs.get_or_create(hour=hour, minute=minute, timezone="UTC")
        tasks.get_or_create(name=name, defaults={"task": task, "crontab": crontab})
    for name, task, minutes in EVERY_MINUTES:
        interval, _ = intervals.get_or_create(every=minutes, period="minutes")
        tasks.get_or_create(name=name, defaults={"task": task, "interval": interval})


def remove(apps: Any, schema_editor: Any) -> None:
    names = [name for name, *_ in (*CRON, *EVERY_MINUTES)]
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(add, remove)]
