"""The site around the pages: where a log-in leads, how times read, what is logged."""

import logging
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.accounts import rows


@pytest.fixture
def admin(db: None) -> User:
    user = rows.user("chief", role="administrator", date_joined=datetime(2026, 11, 22, 14, 3, 5, tzinfo=UTC))
    user.set_password("correct horse")
    user.save()
    return user


def test_a_log_in_at_the_log_in_page_leads_to_the_admin(admin: User) -> None:
    answer = Client().post("/admin/login/", {"username": "chief", "password": "correct horse"}, follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    assert answer.status_code == 200


def test_times_read_with_seconds_and_zone(admin: User) -> None:
    client = Client()
    client.force_login(admin)
    page = client.get(reverse("admin:accounts_user_change", args=[admin.pk])).content.decode()
    assert "2026-11-22 14:03:05 UTC" in page


def test_what_clients_do_wrong_is_not_logged() -> None:
    logger = logging.getLogger("django.request")
    assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.ERROR)
