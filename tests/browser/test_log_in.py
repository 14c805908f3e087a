"""The way in, as staff see it."""

from tests.browser.conftest import LogIn


def test_a_dealer_sees_the_admin(log_in: LogIn) -> None:
    page = log_in("dealer")
    assert "Log in" not in page.title()
    assert page.get_by_text("Live accounts").first.is_visible()
