"""The site around the pages: where a log-in leads, how times read, what is logged."""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.api.throttling import client_address
from accounts.models import User
from copytrading.env import BASE_DIR
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


_TOLD = "[SESSION_COOKIE_SECURE, CSRF_COOKIE_SECURE, SECURE_PROXY_SSL_HEADER, REST_FRAMEWORK['NUM_PROXIES']]"


@pytest.mark.parametrize(
    ("behind_tls", "expected"),
    [("0", [False, False, None, None]), ("1", [True, True, ["HTTP_X_FORWARDED_PROTO", "https"], 1])],
)
def test_behind_tls_cookies_stay_on_it_and_the_proxy_is_believed(
    tmp_path: Path, behind_tls: str, expected: list[object]
) -> None:
    told = run(
        [sys.executable, "-c", f"import json; from copytrading.settings import *; print(json.dumps({_TOLD}))"],
        env={"DATA_DIR": str(tmp_path), "BEHIND_TLS": behind_tls},
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == expected


def test_only_the_address_our_proxy_wrote_is_believed(settings: Any) -> None:
    made_up = RequestFactory().get("/", headers={"X-Forwarded-For": "1.1.1.1, 10.0.0.9"}, REMOTE_ADDR="10.0.0.1")
    assert client_address(made_up) == "10.0.0.1"
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    assert client_address(made_up) == "10.0.0.9"
    assert client_address(RequestFactory().get("/", REMOTE_ADDR="10.0.0.1")) == "10.0.0.1"
