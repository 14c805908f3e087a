"""Staff actions: each does what it says once, by those who may, and says what became of it; the audit log keeps it."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.admin.links import order_link
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, LIVE, STRATEGY_PROVIDER
from orders.admin.actions import ACTIONS, ON_ORDER
from orders.book.codec import from_json
from orders.models import JournalEntry
from orders.recorder import record
from orders.rules.halts import Halt
from orders.verbs.halt import halt
from tests.api.away import redis_away
from tests.fixtures.contents import nothing_done
from tests.fixtures.cutter import Cutter
from tests.orders.office import WHY, Office, office, refusal, told

__all__ = ["office"]

D = Decimal
BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.5"}
REST = {"symbol": "EURUSD", "order_type": "BUY_LIMIT", "order_quantity": "0.5", "order_price": "1.0980"}

#: (action, who, what is typed, the status of the order it needs)
EVERY: tuple[tuple[str, str, dict[str, str], str], ...] = (
    ("open", "dealer", BUY, ""),
    ("place", "dealer", REST, ""),
    ("close_all", "dealer", {}, "OPEN*"),
    ("deposit", "dealer", {"amount": "100"}, ""),
    ("withdrawal", "dealer", {"amount": "100"}, ""),
    ("transfer", "dealer", {"destination": "another", "amount": "100"}, ""),
    ("credit_in", "dealer", {"amount": "100"}, ""),
    ("credit_out", "dealer", {"amount": "0.01"}, "credit"),
    ("correction", "dealer", {"amount": "-100"}, ""),
    ("status", "dealer", {"status": "close_only"}, ""),
    ("configure", "administrator", {"leverage": "50"}, ""),
    ("close", "dealer", {"order_quantity": "0.2"}, "OPEN"),
    ("stops", "dealer", {"stop_loss": "1.09", "take_profit": "1.2"}, "OPEN"),
    ("modify", "dealer", {"order_price": "1.0970"}, "PENDING"),
    ("cancel", "dealer", {}, "PENDING"),
)


def prepared(office: Office, need: str, typed: dict[str, str]) -> tuple[str | None, dict[str, str]]:
    """The order the action is about, and what is typed with the names of this test's own accounts."""
    if typed.get("destination"):
        typed = {**typed, "destination": office.account(STRATEGY_PROVIDER).account_number}
    if need == "credit":
        office.act("credit_in", amount="50")
    if need == "OPEN*":
        office.desk.buy()
    if need == "OPEN":
        return office.desk.buy(), typed
    return (office.desk.rest() if need == "PENDING" else None), typed


def test_the_table_here_has_every_action() -> None:
    assert {name for name, *_ in EVERY} == ACTIONS.keys()


@pytest.mark.parametrize(("action", "who", "typed", "need"), EVERY, ids=[row[0] for row in EVERY])
def test_a_form_sent_twice_is_carried_out_once(
    office: Office, action: str, who: str, typed: dict[str, str], need: str
) -> None:
    order_id, typed = prepared(office, need, typed)
    posted = {**office.form(action, order_id, by=who), "reason": WHY, **typed}
    before = office.state()

    first = office.post(action, posted, order_id, who)

    assert "carried out before" not in told(first)
    done = office.state()
    assert done.portfolio.version > before.portfolio.version
    noted = [entry for entry in office.noted() if entry.action == action]
    assert {(entry.principal, entry.outcome, entry.reason) for entry in noted} == {(office.principal(who), "done", WHY)}
    assert {entry.subject for entry in noted} == {order_id or f"live:{office.account().pk}"}

    with nothing_done(office.desk.book):
        again = office.post(action, posted, order_id, who)

    assert told(again).startswith("This form had been carried out before; nothing was done twice. ")
    assert office.state().portfolio == done.portfolio
    repeated = [entry.outcome for entry in office.noted() if entry.action == action]
    assert repeated == ["done"] * len(noted) + ["replayed"] * len(noted)


def test_those_who_may_not_do_nothing(office: Office) -> None:
    open_order, resting = office.desk.buy(), office.desk.rest()
    orders = {"OPEN": open_order, "PENDING": resting}
    for action, who, typed, need in EVERY:
        order_id = orders.get(need)
        posted = {**office.form(action, order_id, by=who), "reason": WHY, **typed}
        forbidden = ["support", *(["dealer"] if who == "administrator" else [])]
        with nothing_done(office.desk.book):
            for username in forbidden:
                assert office.client(username).get(office.url(action, order_id)).status_code == 403
                assert office.client(username).post(office.url(action, order_id), posted).status_code == 403
            for outsider in ("trader", "strategist", None):
                answer = office.client(outsider).post(office.url(action, order_id), posted)
                assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")
        assert [(entry.principal, entry.outcome) for entry in office.noted() if entry.action == action] == [
            (office.principal(username), "not_permitted") for username in forbidden
        ]


def test_an_order_is_opened_and_the_audit_log_has_it(office: Office) -> None:
    answer = office.act("open", **BUY, stop_loss="1.0900", take_profit="1.2000")

    (order,) = office.state().orders.values()
    assert (order.side, order.lots, order.open_price, order.status) == ("BUY", D("0.5"), D("1.1003"), "OPEN")
    assert (order.stop_loss, order.take_profit, order.principal) == (D("1.09"), D("1.2"), office.principal())
    assert f"Opened BUY 0.5 EURUSD at 1.10030: {order_link(order.order_id)}" in told(answer)
    (noted,) = office.noted()
    assert noted.before is None
    assert (noted.after["order_id"], noted.after["open_price"]) == (order.order_id, "1.1003")


def test_a_dealer_overrides_the_routing_of_one_order(office: Office) -> None:
    assert "Changed: sending orders rock → barclays" in told(
        office.act("configure", by="administrator", sending_orders="barclays")
    )
    with nothing_done(office.desk.book):
        assert refusal(office.act("open", **BUY))["reason"] == "provider_unavailable"
    assert "Opened" in told(office.act("open", **BUY, sending_orders="rock"))
    (order,) = office.state().orders.values()
    assert order.flow == "local"
    assert office.state().config.sending_orders == "barclays"


def test_a_resting_order_is_placed_modified_and_cancelled(office: Office) -> None:
    assert "Placed BUY_LIMIT 0.5 EURUSD at 1.09800: " in told(
        office.act("place", **REST, stop_loss="1.09", expires_at="2100-01-31T12:00")
    )
    (order,) = office.state().orders.values()
    assert order.expires_at_ms == 4_105_080_000_000

    assert "Modified" in told(office.act("modify", order.order_id, order_price="1.0970", expires_at=""))
    (after,) = office.state().orders.values()
    assert (after.order_price, after.lots, after.stop_loss, after.expires_at_ms) == (D("1.097"), D("0.5"), D("1.09"), 0)

    assert "Cancelled" in told(office.act("cancel", order.order_id))
    assert office.state().orders == {}
    placed, modified, cancelled = office.noted()
    assert placed.before is None
    assert (modified.before["order_price"], modified.after["order_price"]) == ("1.098", "1.097")
    assert (cancelled.before["order_status"], cancelled.after["order_status"]) == ("PENDING", "CANCELLED")


def test_modify_takes_no_level_away_and_asks_for_a_change(office: Office) -> None:
    order_id = office.desk.rest(stop_loss="1.09")
    with nothing_done(office.desk.book):
        taken = refusal(office.act("modify", order_id, stop_loss=""))
        same = refusal(office.act("modify", order_id))
    assert taken["errors"] == {"stop_loss": ["A level is taken away by Set stops, not here."]}
    assert same["errors"] == {"__all__": ["Nothing is changed: what stands here is what holds already."]}


def test_stops_are_set_moved_and_taken_away(office: Office) -> None:
    order_id = office.desk.buy()

    def levels() -> tuple[Any, Any]:
        order = office.state().orders[order_id]
        return order.stop_loss, order.take_profit

    told(office.act("stops", order_id, stop_loss="1.09", take_profit="1.2"))
    assert levels() == (D("1.09"), D("1.2"))
    told(office.act("stops", order_id, stop_loss="1.095"))
    assert levels() == (D("1.095"), D("1.2"))
    assert "stop loss none, take profit 1.20000" in told(office.act("stops", order_id, stop_loss=""))
    assert levels() == (None, D("1.2"))
    before, after = office.noted()[-1].before, office.noted()[-1].after
    assert (before["stop_loss"], after["stop_loss"]) == ("1.095", None)


def test_of_two_stops_the_one_that_was_set_is_told_and_the_other_is_tried_again(office: Office) -> None:
    order_id = office.desk.buy()
    posted = {**office.form("stops", order_id), "reason": WHY, "stop_loss": "1.09", "take_profit": "1.05"}

    shown = refusal(office.post("stops", posted, order_id))

    assert (shown["reason"], shown["nothing_done"]) == ("invalid_take_profit", False)
    assert "stop loss 1.09000, take profit none" in shown["done"][0]
    assert list(shown["errors"]) == ["take_profit"]
    assert office.state().orders[order_id].stop_loss == D("1.09")

    assert "take profit 1.20000" in told(office.post("stops", {**posted, "take_profit": "1.2"}, order_id))
    assert office.state().orders[order_id].take_profit == D("1.2")
    assert [entry.outcome for entry in office.noted()] == ["done", "invalid_take_profit", "replayed", "done"]


def test_an_order_is_closed_in_part_and_whole(office: Office) -> None:
    order_id = office.desk.buy()
    assert "Closed a part of" in told(office.act("close", order_id, order_quantity="0.2"))
    assert office.state().orders[order_id].open_lots == D("0.3")
    assert "at 1.09990, profit -20.00 USD" in told(office.act("close", order_id))
    assert office.state().orders == {}
    assert office.state().portfolio.balance == D("9980")


def test_a_form_for_an_order_that_has_ended_says_so_before_it_is_filled_in(office: Office) -> None:
    order_id = office.desk.buy()
    told(office.act("close", order_id))
    shown = office.client("dealer").get(office.url("close", order_id))
    assert "This order is CLOSED by now; only one that is OPEN fits this form." in shown.content.decode()
    with nothing_done(office.desk.book):
        assert refusal(office.act("close", order_id))["reason"] == "order_not_open"


def test_close_all_tells_of_each_order_and_the_journal_has_the_reason(office: Office) -> None:
    for _ in range(3):
        office.desk.buy(lots="0.1")
    resting = office.desk.rest()
    assert told(office.act("close_all")) == "Closed 3 orders."
    assert list(office.state().orders) == [resting]
    assert told(office.act("close_all")) == "There was no open order to close."
    (noted, _) = office.noted()
    assert [each["ok"] for each in noted.after["results"]] == [True, True, True]
    record([office.account().ref])
    closes = JournalEntry.objects.filter(verb="close")
    assert {from_json(entry.body)["note"] for entry in closes} == {WHY}


@pytest.mark.parametrize(
    ("action", "amount", "balance", "credit", "moved"),
    [
        ("deposit", "250.50", "10250.5", "50", "Deposit of 250.50 USD"),
        ("withdrawal", "250.50", "9749.5", "50", "Withdrawal of 250.50 USD"),
        ("correction", "-1012.5", "8987.5", "50", "Correction of -1,012.50 USD"),
        ("correction", "1", "10001", "50", "Correction of +1.00 USD"),
        ("credit_in", "7", "10000", "57", "Credit in of 7.00 USD"),
        ("credit_out", "50", "10000", "0", "Credit out of 50.00 USD"),
    ],
)
def test_money_moves_by_the_verb(
    office: Office, action: str, amount: str, balance: str, credit: str, moved: str
) -> None:
    told(office.act("credit_in", amount="50"))
    answer = office.act(action, amount=amount)
    assert told(answer) == f"{moved}: now balance {D(balance):,.2f} USD, credit {D(credit):,.2f} USD."
    portfolio = office.state().portfolio
    assert (portfolio.balance, portfolio.credit) == (D(balance), D(credit))
    noted = office.noted()[-1]
    assert noted.before == {"balance": "10000", "credit": "50"}
    assert noted.after == {"balance": balance, "credit": credit}


SLIPS = (
    ("correction", "-20000", "Balance 10,000.00 → -10,000.00 USD."),
    ("correction", "-100000000", "Balance 10,000.00 → -99,990,000.00 USD."),
    ("deposit", "100000.01", "Balance 10,000.00 → 110,000.01 USD."),
    ("credit_in", "5000000", "Credit 0.00 → 5,000,000.00 USD."),
)


@pytest.mark.parametrize(("action", "amount", "becomes"), SLIPS)
def test_a_sum_that_looks_like_a_slip_is_asked_for_once_more(
    office: Office, action: str, amount: str, becomes: str
) -> None:
    posted = {**office.form(action), "reason": WHY, "amount": amount}
    with nothing_done(office.desk.book):
        asked = office.post(action, posted)
        another = office.post(action, {**posted, "confirm": "1"})  # ticked for another sum
    for answer in (asked, another):
        assert refusal(answer) == {"errors": {}}
        assert becomes in answer.content.decode()
        assert f'<input type="checkbox" name="confirm" value="{amount}">' in answer.content.decode()
    assert office.noted() == []

    told(office.post(action, {**posted, "confirm": amount}))
    assert "carried out before" in told(office.post(action, posted))  # which a double click learns at once
    assert [entry.outcome for entry in office.noted()] == ["done", "replayed"]


@pytest.mark.parametrize(("action", "amount"), [("correction", "-10000"), ("deposit", "100000"), ("credit_in", "50")])
def test_an_everyday_sum_is_not_asked_for_twice(office: Office, action: str, amount: str) -> None:
    told(office.act(action, amount=amount))


@pytest.mark.parametrize("action", ["deposit", "withdrawal", "transfer", "credit_in", "credit_out", "correction"])
def test_a_money_form_shows_what_there_is(office: Office, action: str) -> None:
    page = office.client("dealer").get(office.url(action)).content.decode()
    assert "Balance now 10,000.00 USD, credit 0.00 USD." in page


def test_play_money_and_real_money_are_not_exchanged(office: Office) -> None:
    play, real = office.account(DEMO), office.account(LIVE)
    with nothing_done(office.desk.book):
        in_play = refusal(office.act("transfer", destination=play.account_number, amount="10"))
        in_real = refusal(office.act("transfer", kind=DEMO, destination=str(real.ref), amount="10"))
    for shown in (in_play, in_real):
        assert shown["errors"] == {"destination": ["Play money of a demo account and real money can't be exchanged."]}


@pytest.mark.parametrize("written", ["number", "name"])
def test_money_goes_to_another_account(office: Office, written: str) -> None:
    other = office.account(STRATEGY_PROVIDER)
    named = other.account_number.lower() if written == "number" else str(other.ref)
    answer = office.act("transfer", destination=named, amount="400")
    assert f'400.00 USD to <a href="/admin/accounts/strategyprovideraccount/{other.pk}/change/"' in told(answer)
    assert "arrived. Balance 9,600.00 USD." in told(answer)
    assert (office.state().portfolio.balance, office.state(STRATEGY_PROVIDER).portfolio.balance) == (9600, 10400)
    (noted,) = office.noted()
    assert noted.after == {"balance": "9600", "credit": "0", "destination": str(other.ref), "state": "arrived"}


def test_a_status_binds_the_owner_and_staff_go_through(office: Office) -> None:
    assert told(office.act("status", status="disabled")) == "Changed: status active → disabled."
    assert office.state().config.status == "disabled"
    assert "Opened" in told(office.act("open", **BUY))
    noted = office.noted()[0]
    assert (noted.before["status"], noted.after["status"]) == ("active", "disabled")


def test_terms_change_by_the_verb(office: Office) -> None:
    answer = office.act("configure", by="administrator", leverage="30", sending_orders="")
    assert told(answer) == "Changed: leverage 100 → 30, sending orders rock → default."
    config = office.state().config
    assert (config.leverage, config.sending_orders, config.group) == (30, "", "retail")
    with nothing_done(office.desk.book):
        shown = refusal(office.act("configure", by="administrator", leverage="5001"))
    assert (shown["reason"], shown["detail"]) == ("invalid_leverage", "The account's leverage is 5001.")


@pytest.mark.parametrize("kind", [DEMO, STRATEGY_PROVIDER, COPY_FOLLOWER])
def test_staff_act_on_every_kind(office: Office, kind: str) -> None:
    assert "Opened" in told(office.act("open", kind=kind, **BUY))
    (order,) = office.state(kind).orders.values()
    assert "Closed" in told(office.act("close", order.order_id, kind=kind))


def test_a_refusal_is_shown_with_its_facts_and_noted(office: Office) -> None:
    with nothing_done(office.desk.book):
        answer = office.act("open", **{**BUY, "order_quantity": "50"})
    shown = refusal(answer)
    assert shown["reason"] == "insufficient_margin"
    assert shown["advice"] == "Use fewer lots, or deposit first."
    assert shown["facts"] == {"required": "57,015.00 USD", "available": "10,000.00 USD"}
    assert shown["detail"] == "This takes 57,015.00 USD of free margin and 10,000.00 USD is there."
    page = answer.content.decode()
    assert shown["detail"] in page
    assert "Nothing was done. Reason: <code>insufficient_margin</code>" in page
    assert 'value="50"' in page
    (noted,) = office.noted()
    assert (noted.outcome, noted.reason, noted.after) == ("insufficient_margin", WHY, None)


def test_a_refusal_marks_the_fields_it_means(office: Office) -> None:
    order_id = office.desk.buy()
    with nothing_done(office.desk.book):
        shown = refusal(office.act("stops", order_id, stop_loss="1.2"))
        lots = refusal(office.act("close", order_id, order_quantity="0.505"))
        amount = refusal(office.act("deposit", amount="1.005"))
    assert list(shown["errors"]) == ["stop_loss"]
    assert shown["detail"].startswith("Stop loss 1.2 is not ")
    assert (list(lots["errors"]), lots["facts"]["open quantity"]) == (["order_quantity"], "0.5")
    assert amount["advice"] == "Correct the fields marked below."
    short = refusal(office.act("withdrawal", amount="10000.01"))
    assert short["detail"] == "At most 9,429.85 USD can be taken out now."
    nobody = refusal(office.act("transfer", destination="live:99999", amount="1"))
    assert nobody["advice"] == "Check the account's number."
    assert amount["errors"] == {"amount": ["Give a positive amount with at most 2 decimals."]}


def test_the_same_form_with_other_values_does_nothing(office: Office) -> None:
    posted = {**office.form("deposit"), "reason": WHY, "amount": "100"}
    told(office.post("deposit", posted))
    with nothing_done(office.desk.book):
        shown = refusal(office.post("deposit", {**posted, "amount": "200"}))
    assert shown["reason"] == "idempotency_mismatch"
    assert "open the form anew" in shown["advice"]


NUMBERS = (
    "NaN", "Infinity", "1e5", "1_000", "１", "-0", "-1", "+1", "0x1", "1.", ".5", "0", "1,5",
    "9" * 4000, "1." + "0" * 11,
)  # fmt: skip


def test_what_is_no_plain_number_never_becomes_a_command(office: Office) -> None:
    nothing: dict[str, str] = {}
    fields = (("deposit", "amount", nothing), ("open", "order_quantity", BUY), ("open", "stop_loss", BUY))
    forms = {action: {**office.form(action), "reason": WHY} for action in ("deposit", "open")}
    with nothing_done(office.desk.book):
        for number in NUMBERS:
            for action, field, typed in fields:
                answer = office.client("dealer").post(office.url(action), {**forms[action], **typed, field: number})
                assert list(refusal(answer)["errors"]) == [field], (action, number)
    assert office.noted() == []


JUNK: tuple[tuple[str, dict[str, str], str], ...] = (
    ("deposit", {"amount": "1", "reason": ""}, "reason"),
    ("deposit", {"amount": "1", "reason": " \t "}, "reason"),
    ("deposit", {"amount": "1", "reason": "two\nlines"}, "reason"),
    ("deposit", {"amount": "1", "reason": "a\x00b"}, "reason"),
    ("deposit", {"amount": "1", "reason": "a\x1b[2Jb"}, "reason"),
    ("deposit", {"amount": "1", "reason": "x" * 201}, "reason"),
    ("deposit", {"amount": "1", "key": ""}, "key"),
    ("deposit", {"amount": "1", "key": "no key\n"}, "key"),
    ("deposit", {"amount": "1", "key": "k" * 129}, "key"),
    ("transfer", {"amount": "1", "destination": "house:bank:USD"}, "destination"),
    ("transfer", {"amount": "1", "destination": "L1"}, "destination"),
    ("transfer", {"amount": "1", "destination": "live:0"}, "destination"),
    ("transfer", {"amount": "1", "destination": "live:" + "9" * 30}, "destination"),
    ("open", {**BUY, "symbol": "eur/usd"}, "symbol"),
    ("open", {**BUY, "order_type": "BUY_LIMIT"}, "order_type"),
    ("open", {**BUY, "sending_orders": "elsewhere"}, "sending_orders"),
    ("place", {**REST, "expires_at": "tomorrow"}, "expires_at"),
    ("place", {**REST, "expires_at": "2030-13-01T00:00"}, "expires_at"),
    ("place", {**REST, "order_price": ""}, "order_price"),
    ("status", {"status": "gone"}, "status"),
)


def test_junk_is_marked_at_its_field_and_nothing_is_done(office: Office) -> None:
    with nothing_done(office.desk.book):
        for action, typed, marked in JUNK:
            assert list(refusal(office.act(action, **typed))["errors"]) == [marked], (action, typed)
    assert office.noted() == []


def test_what_is_typed_is_shown_again_as_text(office: Office) -> None:
    page = office.act("deposit", amount='"><script>alert(1)</script>').content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_audit_log_tells_how_many_of_all_were_closed(office: Office) -> None:
    for _ in range(3):
        office.desk.buy(lots="0.1")
    assert halt(Halt("platform", False, "fire"), "user:1") is None
    assert "Closed 0 of 3 orders." in told(office.act("close_all"))
    assert [entry.outcome for entry in office.noted() if entry.action == "close_all"] == ["0 of 3"]


def test_an_order_of_another_account_is_not_found(office: Office) -> None:
    others = office.desk.buy(DEMO), office.desk.rest(DEMO)
    unknown = f"ord_l{office.account().pk}_0000000000000"
    client = office.client("dealer")
    with nothing_done(office.desk.book):
        for action in ON_ORDER:
            for order_id in (*others, unknown, "ord_x", "..", others[0].lower()):
                url = office.url(action.name, order_id)
                assert client.get(url).status_code == 404, url
                assert client.post(url, {"reason": WHY, "key": "1"}).status_code == 404
    assert office.noted() == []


def test_what_is_not_there_is_not_found(office: Office) -> None:
    client, order_id = office.client("dealer"), office.desk.buy()
    here = office.url("deposit")
    for url in (
        here.replace("deposit", "explode"),
        here.replace("deposit", "close"),
        office.url("deposit", order_id),
        here.replace(f"/{office.account().pk}/", "/999999/"),
        here.replace(f"/{office.account().pk}/", f"/{10**30}/"),
    ):
        assert client.get(url).status_code == 404, url
    assert client.put(here).status_code == 405


def test_while_the_ledger_is_away_the_form_says_so_and_can_be_sent_again(office: Office, settings: Any) -> None:
    posted = {**office.form("deposit"), "reason": WHY, "amount": "100"}
    with redis_away(settings, "LEDGER_URL"):
        answer = office.post("deposit", posted)
        shown = refusal(answer)
        assert office.client("dealer").get(office.url("open")).status_code == 200
    assert (shown["reason"], shown["nothing_done"]) == ("ledger_unavailable", True)
    assert "Press the button again" in shown["advice"]
    assert f'value="{posted["key"]}"' in answer.content.decode()
    assert office.state().portfolio.balance == 10_000

    assert "Deposit of 100.00 USD" in told(office.post("deposit", posted))
    assert office.state().portfolio.balance == 10_100
    assert [(entry.outcome, entry.before) for entry in office.noted()] == [
        ("ledger_unavailable", None),
        ("done", {"balance": "10000", "credit": "0"}),
    ]


def test_an_order_that_only_the_record_shows_can_be_tried_while_the_ledger_is_away(
    office: Office, settings: Any
) -> None:
    order_id = office.desk.buy()
    record([office.account().ref])
    with redis_away(settings, "LEDGER_URL"):
        shown = refusal(office.act("close", order_id))
    assert shown["reason"] == "ledger_unavailable"
    assert office.state().orders[order_id].open_lots == D("0.5")


def test_after_a_lost_reply_the_same_form_tells_what_became_of_it(office: Office, cutter: Cutter) -> None:
    posted = {**office.form("deposit"), "reason": WHY, "amount": "100"}
    cutter.cutting = True
    answer = office.post("deposit", posted)
    cutter.cutting = False
    shown = refusal(answer)
    assert (shown["reason"], shown["nothing_done"]) == ("outcome_unknown", False)
    assert "It may have been done." in shown["advice"]
    assert "Nothing was done" not in answer.content.decode()
    assert f'value="{posted["key"]}"' in answer.content.decode()

    assert "nothing was done twice" in told(office.post("deposit", posted))
    assert office.state().portfolio.balance == 10_100
    assert [entry.outcome for entry in office.noted()] == ["outcome_unknown", "replayed"]
