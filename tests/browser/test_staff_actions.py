"""Staff at an account's page in a real browser: every action clicked, its form filled in, its result seen."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from copytrading.kernel.ids import LIVE, STRATEGY_PROVIDER
from orders.admin.links import account_url
from orders.book.account import State, load
from orders.recorder import record
from tests.browser.conftest import LogIn
from tests.fixtures.desk import Desk
from tests.fixtures.sessions import let_prices_age

WHY = "asked for by phone"


class Counter:
    """One page of one member of staff, at one account."""

    def __init__(self, page: Page, desk: Desk, kind: str = LIVE) -> None:
        self.page = page
        self.desk = desk
        self.account = desk.accounts[kind].ref
        page.goto(account_url(self.account))

    def act(self, label: str, submit: str, row: str = "", **typed: str) -> None:
        """Clicks the button (of the row with this text), fills the form in and sends it."""
        within = self.page.locator("tr", has_text=row) if row else self.page.locator(".desk-head, .desk-actions")
        within.get_by_role("link", name=label, exact=not row).click()
        self.fill(reason=WHY, **typed)
        self.page.get_by_role("button", name=submit).click()

    def fill(self, **typed: str) -> None:
        for name, value in typed.items():
            field = self.page.locator(f"[name={name}]")
            if field.first.get_attribute("type") == "radio":
                self.page.locator(f"[name={name}][value={value}]").check()
            elif field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)

    def told(self, text: str) -> None:
        """The page is the account's again and says so."""
        expect(self.page).to_have_url(re.compile(f"{account_url(self.account)}$"))
        expect(self.page.get_by_text(text).first).to_be_visible()

    @property
    def state(self) -> State:
        return load(self.account, all_orders=True)


@pytest.fixture
def counter(log_in: LogIn, desk: Desk) -> Callable[[str], Counter]:
    let_prices_age()
    return lambda username: Counter(log_in(username), desk)


def test_a_dealer_opens_protects_and_closes(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    at.act("Open at market", "Open the order", symbol="EURUSD", order_type="BUY", order_quantity="0.5")
    at.told("Opened BUY 0.5 EURUSD at 1.10030")
    at.act("Set stops", "Set the stops", row="EURUSD", stop_loss="1.09", take_profit="1.2")
    at.told("stop loss 1.09000, take profit 1.20000")
    at.act("Close", "Close the order", row="EURUSD", order_quantity="0.2")
    at.told("0.3 lots stay open")
    expect(at.page.get_by_role("cell", name="0.3 of 0.5")).to_be_visible()
    at.act("Close", "Close the order", row="EURUSD")
    at.told("at 1.09990, profit -20.00 USD.")
    expect(at.page.get_by_text("No open or resting order.")).to_be_visible()
    assert at.state.orders == {}


def test_a_dealer_places_modifies_and_cancels(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    resting = {"symbol": "EURUSD", "order_type": "BUY_LIMIT", "order_quantity": "0.5", "order_price": "1.0980"}
    at.act("Place pending", "Place the order", **resting, expires_at="2100-01-31T12:00")
    at.told("Placed BUY_LIMIT 0.5 EURUSD at 1.09800")
    expect(at.page.get_by_text("until 2100-01-31 12:00:00")).to_be_visible()
    at.act("Modify", "Modify the order", row="EURUSD", order_price="1.0970", order_quantity="0.4")
    at.told("now BUY_LIMIT 0.4 EURUSD at 1.09700")
    (order,) = at.state.orders.values()
    assert order.expires_at_ms == 4_105_080_000_000
    record([at.account])
    at.page.get_by_role("link", name=order.order_id).first.click()
    expect(at.page).to_have_title(re.compile(order.order_id))
    at.page.go_back()
    at.act("Cancel", "Cancel the order", row="EURUSD")
    at.told("Cancelled")
    assert at.state.orders == {}


def test_a_dealer_closes_all(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    for _ in range(2):
        at.desk.buy(lots="0.1")
    at.act("Close all", "Close all orders")
    at.told("Closed 2 orders.")
    assert at.state.orders == {}


def test_a_slip_is_asked_for_once_more(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    at.act("Correct", "Correct the balance", amount="-20000")
    expect(at.page.get_by_text("Balance 10,000.00 → -10,000.00 USD.")).to_be_visible()
    assert at.state.portfolio.balance == 10_000
    at.page.get_by_role("checkbox").check()
    at.page.get_by_role("button", name="Correct the balance").dblclick()
    at.told("Correction of -20,000.00 USD: now balance -10,000.00 USD, credit 0.00 USD.")
    assert at.state.portfolio.balance == -10_000


def test_a_dealer_moves_money(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    at.act("Deposit", "Deposit", amount="500.50")
    at.told("Deposit of 500.50 USD: now balance 10,500.50 USD, credit 0.00 USD.")
    at.act("Withdraw", "Withdraw", amount="100.50")
    at.told("Withdrawal of 100.50 USD: now balance 10,400.00 USD, credit 0.00 USD.")
    at.act("Credit in", "Give credit", amount="50")
    at.told("Credit in of 50.00 USD: now balance 10,400.00 USD, credit 50.00 USD.")
    at.act("Credit out", "Take credit back", amount="20")
    at.told("Credit out of 20.00 USD: now balance 10,400.00 USD, credit 30.00 USD.")
    at.act("Correct", "Correct the balance", amount="-400")
    at.told("Correction of -400.00 USD: now balance 10,000.00 USD, credit 30.00 USD.")
    at.act("Transfer", "Transfer", destination=at.desk.accounts[STRATEGY_PROVIDER].account_number, amount="1000")
    at.told("arrived. Balance 9,000.00 USD.")
    assert (at.state.portfolio.balance, load(at.desk.accounts[STRATEGY_PROVIDER].ref).portfolio.balance) == (
        9000,
        11000,
    )


def test_a_dealer_sets_the_status_and_an_administrator_the_terms(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    expect(at.page.get_by_role("link", name="Configure")).to_have_count(0)
    at.act("Status", "Change the status", status="close_only")
    at.told("Changed: status active → close_only.")
    expect(at.page.get_by_text("It binds what the owner asks for")).to_be_visible()
    at = counter("administrator")
    at.act("Configure", "Change the terms", leverage="30", sending_orders="")
    at.told("Changed: leverage 100 → 30, sending orders rock → default.")
    assert (at.state.config.status, at.state.config.leverage) == ("close_only", 30)


def test_support_looks_and_is_offered_nothing(counter: Callable[[str], Counter], desk: Desk) -> None:
    desk.buy()
    at = counter("support")
    expect(at.page.get_by_text("In the book now")).to_be_visible()
    expect(at.page.get_by_role("cell", name="EURUSD BUY")).to_be_visible()
    assert at.page.locator('a[href*="/act/"]').count() == 0


def test_a_double_click_is_carried_out_once(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    version = at.state.portfolio.version
    at.page.get_by_role("link", name="Deposit").click()
    at.fill(amount="100", reason=WHY)
    at.page.get_by_role("button", name="Deposit").dblclick()
    at.told("Deposit of 100.00 USD: now balance 10,100.00 USD, credit 0.00 USD.")
    at.page.reload()
    expect(at.page.get_by_text("10,100.00").first).to_be_visible()
    assert at.state.portfolio.version == version + 1


def test_a_refusal_stands_at_the_form_and_cancel_leads_back(counter: Callable[[str], Counter]) -> None:
    at = counter("dealer")
    version = at.state.portfolio.version
    at.act("Withdraw", "Withdraw", amount="10000.01")
    expect(at.page.get_by_role("alert")).to_contain_text("At most 10,000.00 USD can be taken out now")
    at.fill(amount="ten")
    at.page.get_by_role("button", name="Withdraw").click()
    expect(at.page.get_by_text("Not a number in plain digits.")).to_be_visible()
    at.page.get_by_role("link", name="Cancel").click()
    expect(at.page).to_have_url(re.compile(f"{account_url(at.account)}$"))
    assert at.state.portfolio.version == version


def test_the_page_follows_the_book(counter: Callable[[str], Counter], desk: Desk) -> None:
    desk.buy(lots="1")
    at = counter("support")
    profit = at.page.locator(".desk-amount", has_text="Floating profit")
    expect(profit).to_contain_text("-40.00")
    desk.quote("1.1013", "1.1015")
    expect(profit).to_contain_text("90.00", timeout=15_000)
