"""The page that describes the API, tried out as a developer would."""

from playwright.sync_api import expect

from copytrading.kernel.rejections import Reason
from tests.browser.conftest import LogIn
from tests.fixtures.desk import Desk


def test_the_docs_page_tells_every_reason_and_can_be_tried_out(log_in: LogIn, desk: Desk) -> None:
    page = log_in("trader")
    page.goto("/api/docs")
    for reason in (Reason.insufficient_margin, Reason.market_closed, Reason.conflict):
        expect(page.locator("table code", has_text=reason.name).first).to_be_visible()

    page.get_by_role("button", name="Authorize").click()
    page.locator("input[type=text]").fill(desk.tokens["trader"])
    page.locator(".auth-btn-wrapper button.authorize").click()
    page.locator(".btn-done").click()
    operation = page.locator("#operations-accounts-accounts_list")
    operation.locator("button.opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").nth(1)).to_contain_text("200")
    expect(answer).to_contain_text("account_number")
