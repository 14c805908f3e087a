"""A real browser before the real site: Chromium, headless, logged in as whom the test says."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from accounts.models import User
from tests.fixtures.desk import Desk

#: Without them Chromium calls home, and as root it does not start.
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_PATIENCE_MS = 15_000

#: Whoever logs in, and gets a page that fails the test when a script breaks or another host is asked for something.
LogIn = Callable[[str], Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1, and there is no Chromium; on Debian: apt-get install chromium")
        pytest.skip("there is no Chromium on this machine; on Debian: apt-get install chromium")
    # Playwright's loop runs in this thread; Django would take every query for one made inside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def log_in(chromium: Browser, live_server: object, desk: Desk) -> Iterator[LogIn]:
    """`log_in("dealer")` is a page of the site as that user of `desk` sees it, at the admin's first page."""
    contexts: list[BrowserContext] = []
    broken: list[str] = []
    base = str(live_server)

    def begin(username: str) -> Page:
        context = chromium.new_context(base_url=base, viewport={"width": 1440, "height": 900})
        context.set_default_timeout(_PATIENCE_MS)
        contexts.append(context)
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": _session_of(username), "url": base}])
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
        page.on("request", lambda request: _note_stranger(request.url, base, broken))
        page.on("response", lambda answer: _note_failure(answer.status, answer.url, broken))
        page.goto("/admin/")
        return page

    yield begin
    for context in contexts:
        context.close()
    assert broken == []


def _session_of(username: str) -> str:
    client = Client()
    client.force_login(User.objects.get(username=username))
    session = client.session
    assert isinstance(session, SessionStore)
    return str(session.session_key)


def _note_stranger(url: str, base: str, broken: list[str]) -> None:
    if not url.startswith((base, "data:", "blob:")):
        broken.append(f"{url} is another host")


def _note_failure(status: int, url: str, broken: list[str]) -> None:
    if status >= 500:
        broken.append(f"{url} answered {status}")
