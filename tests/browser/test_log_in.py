"""The way in and out, as staff see it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.api import log_in as logging_in
from accounts.limits import Limit
from accounts.models import User
from tests.browser.conftest import LogIn
from tests.fixtures.desk import Desk

PASSWORD = "correct horse battery staple"
_PATIENCE_MS = 15_000
WRONG = "Please enter the correct username and password for a staff account."


@pytest.fixture
def door(chromium: Browser, live_server: object, desk: Desk) -> Iterator[Page]:
    """The log-in page, before a dealer with a password of his own."""
    dealer = User.objects.get(username="dealer")
    dealer.set_password(PASSWORD)
    dealer.save()
    context: BrowserContext = chromium.new_context(base_url=str(live_server), viewport={"width": 1440, "height": 900})
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    page.goto("/admin/")
    yield page
    context.close()


def type_in(page: Page, *typed: str) -> int:
    """Fills the form in with the keyboard alone, from where the page puts the cursor. Returns the answer's status."""
    expect(page.get_by_label("Username" if len(typed) == 2 else "Password")).to_be_focused()
    for number, text in enumerate(typed):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    with page.expect_navigation() as answer:
        page.keyboard.press("Enter")
    return answer.value.status


def test_a_dealer_sees_the_admin(log_in: LogIn) -> None:
    page = log_in("dealer")
    assert "Log in" not in page.title()
    assert page.get_by_text("Live accounts").first.is_visible()


def test_by_keyboard_in_and_out_again(door: Page) -> None:
    expect(door).to_have_title("Log in | Copy trading")
    assert type_in(door, "dealer", PASSWORD) == 200
    expect(door.get_by_text("Live accounts").first).to_be_visible()

    door.get_by_text("dealer", exact=True).first.click()
    door.get_by_role("button", name="Log out").click()
    expect(door).to_have_title("Logged out | Copy trading")

    door.goto("/admin/")
    expect(door).to_have_title("Log in | Copy trading")


def test_a_wrong_password_is_told_and_the_next_one_lets_in(door: Page) -> None:
    assert type_in(door, "dealer", "wrong") == 200
    expect(door.get_by_text(WRONG)).to_be_visible()
    expect(door.get_by_label("Password")).to_be_empty()
    assert type_in(door, PASSWORD) == 200
    expect(door.get_by_text("Live accounts").first).to_be_visible()


def test_after_too_many_the_page_says_how_long_to_wait(door: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging_in, "FAILURES_HERE", Limit("log_in_failures", allowed=0, window_s=300))
    assert type_in(door, "dealer", PASSWORD) == 429
    expect(door.get_by_text("Too many tries; wait")).to_be_visible()
    expect(door.get_by_text(WRONG)).to_have_count(0)
    expect(door.get_by_text("Please correct")).to_have_count(0)
    expect(door.get_by_label("Username")).to_have_value("dealer")


def test_a_session_that_was_ended_leads_back_to_the_log_in(door: Page) -> None:
    type_in(door, "dealer", PASSWORD)
    User.objects.get(username="dealer").log_out_everywhere()
    door.goto("/admin/accounts/liveaccount/")
    expect(door).to_have_title("Log in | Copy trading")
    assert type_in(door, "dealer", PASSWORD) == 200
    assert door.url.endswith("/admin/accounts/liveaccount/")
