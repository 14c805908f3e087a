"""The record's pages in a real browser: from account to order to deal to journal by links; terms and keys by reason."""

from playwright.sync_api import expect

from accounts.models import ApiKey, AuditEntry, Group
from copytrading.kernel.ids import LIVE
from orders.admin.links import account_url
from orders.recorder import record
from tests.browser.conftest import LogIn
from tests.fixtures.desk import Desk


def test_support_walks_from_an_account_to_the_journal_by_links(log_in: LogIn, desk: Desk) -> None:
    account, order = desk.accounts[LIVE].ref, desk.buy(stop_loss="1.0900")
    record([account])
    page = log_in("support")
    page.locator('a[href="/admin/accounts/liveaccount/"]').first.click()
    page.get_by_role("link", name=account.number).click()
    expect(page).to_have_url(f"{page.url.split('/admin')[0]}{account_url(account)}")
    expect(page.get_by_role("link", name="Deposit")).to_have_count(0)

    page.get_by_role("link", name=order).first.click()
    expect(page.get_by_text("opened at the market").first).to_be_visible()
    main = page.locator("#content-main, #content")
    main.locator("a[href*='/admin/orders/deal/']").first.click()
    page.wait_for_url("**/admin/orders/deal/*/change/**")
    expect(main.get_by_text(order).first).to_be_visible()
    main.locator("a[href*='/admin/orders/journalentry/']").first.click()
    page.wait_for_url("**/admin/orders/journalentry/*/change/**")
    expect(main.get_by_text(order).first).to_be_visible()
    main.locator(f"a[href='{account_url(account)}']").first.click()
    expect(page.get_by_text("In the book now")).to_be_visible()


def test_an_administrator_changes_terms_and_issues_a_key_for_a_reason(log_in: LogIn, desk: Desk) -> None:
    page = log_in("administrator")
    page.goto("/admin/accounts/group/retail/change/")
    page.locator("[name=margin_call_level]").fill("120")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("This field is required").first).to_be_visible()
    assert Group.objects.get(pk="retail").margin_call_level == 100
    page.locator("[name=why]").fill("risk committee")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/accounts/group/")
    assert Group.objects.get(pk="retail").margin_call_level == 120

    page.goto("/admin/accounts/apikey/add/")
    page.locator("[name=owner]").fill("trader")
    page.locator("[name=name]").fill("robot")
    page.locator("[name=scopes][value=read]").check()
    page.locator("[name=why]").fill("asked for")
    before = ApiKey.objects.count()
    page.locator("#content-main button[type=submit]").dblclick()
    secret = page.locator("#secret").inner_text()
    assert ApiKey.objects.filter(hash=ApiKey.hash_of(secret), name="robot").exists()
    page.reload()
    expect(page.get_by_text("nothing was issued twice")).to_be_visible()
    assert ApiKey.objects.count() == before + 1
    expect(page.get_by_text(secret)).to_have_count(0)

    page.goto("/admin/accounts/auditentry/")
    expect(page.get_by_text("risk committee")).to_be_visible()
    expect(page.get_by_text("asked for").first).to_be_visible()
    assert not AuditEntry.objects.filter(after__icontains=secret).exists()
