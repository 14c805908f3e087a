"""What the clock starts is in the database, where the admin can edit it, and names tasks that exist."""

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from accounts.models import AuditEntry, User
from copytrading.celery import app
from tests.accounts import rows

pytestmark = pytest.mark.django_db


def test_every_task_of_the_schedule_exists() -> None:
    app.loader.import_default_modules()
    scheduled = set(PeriodicTask.objects.exclude(task__startswith="celery.").values_list("task", flat=True))
    assert scheduled == {"workers.tasks.nightly_audit", "workers.tasks.prune", "workers.tasks.refresh_terms"}
    assert scheduled <= set(app.tasks)


def test_the_nightly_audit_runs_at_2215_utc() -> None:
    crontab = PeriodicTask.objects.get(name="Nightly audit").crontab
    assert (crontab.hour, crontab.minute, str(crontab.timezone)) == ("22", "15", "UTC")


@pytest.mark.parametrize(("page", "typed"), [("crontab", {"hour": "21"}), ("interval", {"every": "7"})])
def test_a_change_of_when_asks_why_and_is_noted(page: str, typed: dict[str, str]) -> None:
    rows.user("chief", role="administrator")
    task = PeriodicTask.objects.exclude(**{page: None}).exclude(task__startswith="celery.").first()
    assert task is not None
    row = getattr(task, page)
    client = Client()
    client.force_login(User.objects.get(username="chief"))
    address = reverse(f"admin:django_celery_beat_{page}schedule_change", args=[row.pk])
    form = {field.name: field.value() for field in client.get(address).context["adminform"].form} | typed

    assert client.post(address, {**form, "why": ""}).status_code == 200
    assert client.post(address, {**form, "why": "summer"}).status_code == 302

    (noted,) = AuditEntry.objects.all()
    assert (noted.action, noted.subject, noted.reason) == (f"configure_{page}", f"{page}:{row.pk}", "summer")
    ((name, value),) = typed.items()
    assert str(noted.after[name]) == value
    client.force_login(rows.user("looker", role="support"))
    assert client.get(address).status_code == 403
