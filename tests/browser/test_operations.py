"""The operator's night in a real browser: halting and lifting, dead letters, and a page that keeps itself fresh."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from accounts import catalogue
from accounts.models import AuditEntry, Instrument
from copytrading.kernel import clock
from orders.book import keys
from orders.book.connection import ledger
from orders.book.work import WorkStream, dead_letters
from orders.readiness import WORKERS
from orders.rules.halts import Halt
from orders.verbs import halt as halts
from tests.browser.conftest import LogIn
from tests.fixtures.desk import EXECUTE, Desk

pytestmark = pytest.mark.timeout(180)
BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.1"}


def buy(desk: Desk) -> tuple[int, str]:
    desk.quote()
    answer = desk.post(EXECUTE, {**desk.at("live"), **BUY})
    return answer.status_code, answer.json().get("detail", "")


def beat(desk: Desk) -> None:
    """Every worker was heard just now, and a price stays current for as long as a test takes."""
    Instrument.objects.update(price_age_ms=600_000)
    catalogue.forget()
    desk.quote()
    for worker in WORKERS:
        told: dict[Any, Any] = {"at_ms": str(clock.now_ms()), "pid": "1", "state": "working"}
        desk.book.market.hset(keys.heartbeat(worker, "here-1"), mapping=told)


def bury(desk: Desk) -> None:
    """The announcement of an order on the live account is dead."""
    ledger().run([(keys.QUEUE_RECORD, ("XTRIM", keys.QUEUE_RECORD, "MAXLEN", 0))])
    desk.buy("live")
    stream = WorkStream(ledger(), "record", "test")
    stream.prepare()
    (message,) = stream.read(10)
    stream.bury(message, "InvariantBroken: entry 17 follows 15: entries are missing")


def test_a_dealer_halts_an_instrument_and_lifts_it(desk: Desk, log_in: LogIn) -> None:
    page = log_in("dealer")
    page.goto("/admin/accounts/halt/")
    expect(page.get_by_text("Nothing is halted.")).to_be_visible()

    page.get_by_role("link", name="Halt trading").click()
    page.get_by_label("What is halted").select_option("instrument:EURUSD")
    page.get_by_label("Reason").fill("the feed is wrong")
    page.get_by_role("button", name="Halt now").click()
    expect(page.get_by_text("EURUSD: opening is halted.")).to_be_visible()
    row = page.locator("[data-scope='instrument:EURUSD']")
    expect(row).to_contain_text("the feed is wrong")
    expect(row).to_contain_text("dealer")
    assert buy(desk) == (409, "the feed is wrong (until further notice)")

    row.get_by_role("link", name="Lift ...").click()
    expect(page.get_by_text("EURUSD: opening is halted. Reason: the feed is wrong")).to_be_visible()
    page.get_by_label("Reason").fill("the feed is mended")
    page.get_by_role("button", name="Lift now").click()
    expect(page.get_by_text("EURUSD: the halt is lifted.")).to_be_visible()
    expect(page.get_by_text("Nothing is halted.")).to_be_visible()
    assert buy(desk)[0] == 201
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["halt", "lift_halt"]


def test_a_slip_of_the_pen_is_told_in_the_form(desk: Desk, log_in: LogIn) -> None:
    page = log_in("dealer")
    page.goto("/admin/accounts/halt/add/?scope=platform")
    page.get_by_text("Everything: closing").click()
    page.get_by_label("Reason").fill("fire")
    page.get_by_label("Ends by itself").fill("2020-01-01 00:00")
    page.get_by_role("button", name="Halt now").click()
    expect(page.get_by_text("Give a time in the future, or none.")).to_be_visible()
    assert halts.standing() == []
    page.get_by_label("Ends by itself").fill("")
    page.get_by_role("button", name="Halt now").click()
    expect(page.get_by_text("The whole platform: everything is halted.")).to_be_visible()
    assert halts.standing() == [Halt("platform", False, "fire")]


def test_a_dead_letter_goes_back_into_its_queue(desk: Desk, log_in: LogIn) -> None:
    beat(desk)
    bury(desk)
    page = log_in("dealer")
    page.goto("/admin/operations/")
    expect(page.locator("#findings")).to_contain_text("1 dead letter of queue record")
    page.get_by_role("link", name="Look and deal with them").click()
    expect(page.get_by_text("entries are missing")).to_be_visible()

    page.get_by_label("Choose all").check()
    page.get_by_role("button", name="Retry").click()  # the browser asks for a reason before anything is sent
    assert len(dead_letters(ledger(), "record")) == 1
    page.get_by_label("Reason").fill("the journal is whole again")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("1 letter: back in the queue.")).to_be_visible()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    assert dead_letters(ledger(), "record") == []
    assert desk.book.ledger.xlen(keys.QUEUE_RECORD) == 1
    assert AuditEntry.objects.get().reason == "the journal is whole again"


def test_support_looks_and_finds_no_switch(desk: Desk, log_in: LogIn) -> None:
    bury(desk)
    page = log_in("support")
    for path in ("/admin/operations/", "/admin/operations/dead-letters/", "/admin/accounts/halt/"):
        page.goto(path)
        switches = re.compile("Halt trading|Lift|Compare|Retry|Discard")
        expect(page.get_by_role("button", name=switches)).to_have_count(0)
        expect(page.get_by_role("link", name=switches)).to_have_count(0)


@pytest.fixture
def fresh(desk: Desk, log_in: LogIn, monkeypatch: pytest.MonkeyPatch) -> Page:
    """The operations page of a system in which all is well; it reads anew each second."""
    monkeypatch.setattr("workers.admin.operations.EVERY_S", 1)
    beat(desk)
    page = log_in("dealer")
    page.goto("/admin/operations/")
    expect(page.locator("#headline")).to_have_text("Trading works. Everything is up.")
    return page


def test_the_page_keeps_itself_fresh(desk: Desk, fresh: Page) -> None:
    """Without being loaded again: what was typed into the address stays, and so does the page."""
    fresh.evaluate("window.same = true")
    halts.halt(Halt("platform", False, "fire"), "console:root")
    expect(fresh.locator("#headline")).to_have_text("Trading is halted. fire")
    desk.book.market.delete(keys.heartbeat("sweeper", "here-1"))
    expect(fresh.locator("#findings")).to_contain_text("sweeper does not run")
    assert fresh.evaluate("window.same") is True


def test_it_says_when_what_it_shows_is_old(fresh: Page) -> None:
    def silent(route: Route) -> None:
        route.abort()

    fresh.route("**/operations/readings/", silent)
    expect(fresh.locator("#operations-stale")).to_have_text(
        re.compile(r"The site does not answer since \d\d:\d\d:\d\d UTC: what you see below is old\.")
    )
    expect(fresh.locator("#operations")).to_have_class("ops-old")
    fresh.unroute("**/operations/readings/")
    expect(fresh.locator("#operations-stale")).to_be_hidden()


def test_what_somebody_selects_stays(desk: Desk, fresh: Page) -> None:
    fresh.clock.install()
    fresh.reload()
    asked: list[str] = []
    fresh.on("request", lambda request: asked.append(request.url))
    fresh.locator("time").select_text()
    halts.halt(Halt("platform", False, "fire"), "console:root")
    fresh.clock.run_for(60_000)
    assert asked == []
    assert fresh.evaluate("String(document.getSelection())").endswith("UTC")
    fresh.evaluate("document.getSelection().removeAllRanges()")
    fresh.clock.run_for(2_000)
    expect(fresh.locator("#headline")).to_have_text("Trading is halted. fire")


def test_who_was_logged_out_is_asked_to_log_in(fresh: Page) -> None:
    fresh.context.clear_cookies()
    fresh.wait_for_url("**/admin/login/?next=/admin/operations/")


def test_an_audit_at_the_press_of_a_button(desk: Desk, fresh: Page) -> None:
    fresh.get_by_role("link", name="Compare book and record now").click()
    fresh.get_by_label("Why").fill("a doubt")
    fresh.get_by_role("button", name="Compare now").dblclick()
    expect(fresh.get_by_text("The audit is asked for.")).to_be_visible()
    expect(fresh.get_by_text("not ended yet")).to_be_visible()
    assert desk.book.market.llen("celery:celery") == 1
