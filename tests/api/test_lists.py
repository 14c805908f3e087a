"""Lists show what was acknowledged at once, to whom it belongs, whatever the recorder has come to."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts import catalogue
from accounts.models import GroupInstrument
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, KINDS, LIVE, STRATEGY_PROVIDER
from orders import recorder
from orders.book import keys
from orders.book.terms import renew
from tests.accounts import rows as tables
from tests.api.asking import Row, account_path, ask, record_all, record_some, refs, refused, rows, walk
from tests.api.away import postgresql_away, redis_away
from tests.fixtures.desk import CANCEL, CLOSE, EXECUTE, PLACE, STRATEGY, Desk, issue

SEES = ("trader", "reading key", "trading key", "support", "dealer", "administrator", "dealing key")
FOLLOWER = "/api/copy-trading/orders/copy-follower"


def opened(desk: Desk, kind: str = LIVE, symbol: str = "EURUSD", lots: str = "0.1") -> Row:
    body = {**desk.at(kind), "symbol": symbol, "order_type": "BUY", "order_quantity": lots}
    order: Row = desk.post(EXECUTE, body, by="dealer").json()["order"]
    return order


def placed(desk: Desk, kind: str = LIVE) -> Row:
    limit = {"symbol": "EURUSD", "order_type": "BUY_LIMIT", "order_quantity": "0.1", "order_price": "1.0980"}
    order: Row = desk.post(PLACE, {**desk.at(kind), **limit}, by="dealer").json()["order"]
    return order


def changed(desk: Desk, path: str, order: Row) -> Row:
    named = {"user_type": order["user_type"], "user_id": order["user_id"], "order_id": order["order_id"]}
    after: Row = desk.post(path, named, by="dealer").json()["order"]
    return after


def ids_of(found: list[Row]) -> list[str]:
    return [row["order_id"] for row in found]


def newest_first(orders: list[Row]) -> list[Row]:
    return sorted(orders, key=lambda order: (order["created_at"], order["order_id"]), reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_just_acknowledged_is_in_every_list_at_once(desk: Desk, kind: str, subtests: Any) -> None:
    """No recorder runs."""
    order = opened(desk, kind)
    account = {"user_type": kind, "user_id": desk.accounts[kind].pk}
    for by in SEES:
        with subtests.test(by=by):
            for asked in ({}, account, {"status": "OPEN"}, {**account, "status": "OPEN"}, {"symbol": "EURUSD"}):
                assert rows(desk, "/api/orders", by, **asked) == [order]
            assert desk.get(f"/api/orders/{order['order_id']}", by=by).json()["order"] == order
            (event,) = rows(desk, f"/api/orders/{order['order_id']}/events", by)
            assert (event["event"], event["order"]) == ("open", order)
            (deal,) = rows(desk, "/api/deals", by, **account)
            assert (deal["order_id"], deal["quantity"], deal["price"]) == (order["order_id"], "0.1", "1.1003")
            assert desk.get(account_path(desk, kind), by=by).json()["orders"] == [order]
            (listed,) = rows(desk, "/api/accounts", by, user_type=kind)
            assert listed["live_orders"] == 1
    closed = changed(desk, CLOSE, order)
    for by in SEES:
        with subtests.test("closed", by=by):
            assert rows(desk, "/api/orders", by, **account) == [closed]
            assert rows(desk, "/api/orders", by, **account, status="OPEN") == []
            assert rows(desk, "/api/orders", by, status="CLOSED") == [closed]
            assert len(rows(desk, "/api/deals", by, **account)) == 2
            profit, deposit = rows(desk, account_path(desk, kind, "/transfers"), by)
            assert (profit["kind"], profit["amount"], profit["direction"]) == ("profit", "4", "out")
            assert (deposit["kind"], deposit["amount"], deposit["direction"]) == ("deposit", "10000", "in")


def test_lists_of_copy_trading_show_one_account_of_their_kind(desk: Desk, subtests: Any) -> None:
    master, copy, live = opened(desk, STRATEGY_PROVIDER), opened(desk, COPY_FOLLOWER), opened(desk, LIVE)
    resting = placed(desk, STRATEGY_PROVIDER)
    strategy = f"{STRATEGY}/{desk.accounts[STRATEGY_PROVIDER].pk}"
    follower = f"{FOLLOWER}/{desk.accounts[COPY_FOLLOWER].pk}"
    tables.account(STRATEGY_PROVIDER, "stranger")
    for by in SEES:
        with subtests.test(by=by):
            assert rows(desk, strategy, by) == newest_first([master, resting])
            assert rows(desk, strategy, by, status="PENDING") == [resting]
            assert walk(desk, strategy, by, limit=1) == newest_first([master, resting])
            assert rows(desk, follower, by) == [copy]
    outsiders: dict[str | None, tuple[int, str]] = {
        "stranger": (404, "account_not_found"),
        None: (401, "not_authenticated"),
    }
    for outsider, expected in outsiders.items():
        with subtests.test(by=outsider):
            assert refused(ask(desk, strategy, outsider)) == expected
            assert refused(ask(desk, follower, outsider)) == expected
    for account in ("0", "-1", "01", "x", "%00", "１", "1:1", "9" * 4000, "999999", live["order_id"]):
        with subtests.test(account=account[:20]):
            assert refused(ask(desk, f"{STRATEGY}/{account}", "dealer")) == (404, "account_not_found")
            assert refused(ask(desk, f"{FOLLOWER}/{account}", "dealer")) == (404, "account_not_found")


def test_everyone_sees_what_is_theirs_and_staff_sees_all(desk: Desk, subtests: Any) -> None:
    theirs = desk.accounts | {"stranger": tables.account(LIVE, "stranger", sending_orders="rock")}
    desk.tokens |= {
        "key that trades": issue("trader", ["trade"])[1],
        "key of support": issue("support", ["read"])[1],
        "support's key that trades": issue("support", ["trade"])[1],
        "key that deals": issue("dealer", ["dealer"])[1],
    }
    own = newest_first([opened(desk, LIVE), opened(desk, DEMO)])
    desk.accounts[LIVE] = theirs["stranger"]
    deposit = {"kind": "deposit", "amount": "1000", "reason": "begin"}
    assert desk.post(account_path(desk, LIVE, "/transfers"), deposit, by="dealer").status_code == 201
    strange = opened(desk, LIVE)
    everything = newest_first([*own, strange])
    desk.accounts[LIVE] = theirs[LIVE]
    seen = {
        **dict.fromkeys(("trader", "reading key", "trading key"), (own, 4)),
        **dict.fromkeys(("support", "dealer", "administrator", "dealing key"), (everything, 5)),
        **dict.fromkeys(("key of support", "key that deals"), (everything, 5)),
        **dict.fromkeys(("stranger", "stranger's key"), ([strange], 1)),
        "strategist": ([], 0),
    }
    for by, (orders, accounts) in seen.items():
        with subtests.test(by=by):
            assert rows(desk, "/api/orders", by) == orders
            assert rows(desk, "/api/orders", by, status="OPEN") == orders
            assert sorted(ids_of(rows(desk, "/api/deals", by))) == sorted(ids_of(orders))
            assert len(rows(desk, "/api/accounts", by)) == accounts
    refusals: dict[str | None, tuple[int, str]] = {
        "key that trades": (403, "not_permitted"),
        "support's key that trades": (403, "not_permitted"),
        None: (401, "not_authenticated"),
    }
    for nobody, expected in refusals.items():
        for path in ("/api/orders", "/api/deals", "/api/accounts", "/api/instruments"):
            with subtests.test(by=nobody, path=path):
                assert refused(ask(desk, path, nobody)) == expected


def test_a_named_account_is_shown_to_those_who_may_see_it(desk: Desk, subtests: Any) -> None:
    desk.tokens |= {
        "key that trades": issue("trader", ["trade"])[1],
        "key of support": issue("support", ["read"])[1],
        "support's key that trades": issue("support", ["trade"])[1],
        "key that deals": issue("dealer", ["dealer"])[1],
    }
    order = opened(desk)["order_id"]
    account = f"user_type=live&user_id={desk.accounts[LIVE].pk}"
    of_account = [
        *(f"/api/{name}?{account}" for name in ("orders", "deals", "quotes", "instruments")),
        *(account_path(desk, LIVE, rest) for rest in ("", "/transfers")),
    ]
    of_order = [f"/api/orders/{order}", f"/api/orders/{order}/events"]
    for by in (*SEES, "key of support", "key that deals"):
        for path in (*of_account, *of_order):
            with subtests.test(by=by, path=path):
                assert desk.get(path, by=by).status_code == 200
    refusals: dict[str | None, tuple[int, str | None]] = {
        "key that trades": (403, "not_permitted"),
        "support's key that trades": (404, None),
        "stranger": (404, None),
        "stranger's key": (404, None),
        "strategist": (404, None),
        None: (401, "not_authenticated"),
    }
    for nobody, (status, reason) in refusals.items():
        for path in of_account:
            with subtests.test(by=nobody, path=path):
                assert refused(desk.get(path, by=nobody)) == (status, reason or "account_not_found")
        for path in of_order:
            with subtests.test(by=nobody, path=path):
                assert refused(desk.get(path, by=nobody)) == (status, reason or "order_not_found")


@pytest.fixture
def history(desk: Desk) -> list[Row]:
    """Five orders, newest first, as they were last acknowledged."""
    tables.offer("retail", "GBPUSD")
    renew()
    desk.quote("1.3000", "1.3002", "GBPUSD")
    return newest_first(
        [
            opened(desk),
            changed(desk, CLOSE, opened(desk, symbol="GBPUSD")),
            placed(desk),
            changed(desk, CANCEL, placed(desk)),
            opened(desk, DEMO),
        ]
    )


Keep = Callable[[Row], bool]


def filters(desk: Desk, history: list[Row]) -> list[tuple[dict[str, Any], Keep]]:
    """Queries, and which orders each keeps."""
    live = desk.at(LIVE)
    middle = history[2]["created_at"]
    return [
        ({}, lambda order: True),
        (live, lambda order: order["user_type"] == LIVE),
        ({"status": "OPEN"}, lambda order: order["order_status"] == "OPEN"),
        ({"status": "OPEN,PENDING"}, lambda order: order["order_status"] in ("OPEN", "PENDING")),
        ({**live, "status": "PENDING,OPEN"}, lambda o: o["user_type"] == LIVE and o["order_status"] in "OPENPENDING"),
        ({"status": "CLOSED,CANCELLED"}, lambda order: order["order_status"] in ("CLOSED", "CANCELLED")),
        ({"status": "OPEN,CLOSED"}, lambda order: order["order_status"] in ("OPEN", "CLOSED")),
        ({"status": "QUEUED,REJECTED"}, lambda order: False),
        ({"symbol": "GBPUSD"}, lambda order: order["symbol"] == "GBPUSD"),
        ({"symbol": "GBPUSD", "status": "OPEN"}, lambda order: False),
        ({"symbol": "XAUUSD"}, lambda order: False),
        ({"since": middle}, lambda order: order["created_at"] >= middle),
        ({"until": middle}, lambda order: order["created_at"] < middle),
        ({**live, "since": middle, "status": "OPEN"}, lambda o: False),
        ({**live, "until": middle, "status": "OPEN"}, lambda o: o["order_id"] == history[-1]["order_id"]),
        ({"since": middle, "until": middle}, lambda order: False),
        ({"since": "2020-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"}, lambda order: True),
        ({"since": "9999-12-31T23:59:59Z"}, lambda order: False),
    ]


def test_filters_keep_what_they_name_however_far_the_recorder_is(desk: Desk, history: list[Row], subtests: Any) -> None:
    for progress in ("nothing", "half", "all"):
        if progress == "half":
            record_some(refs(desk), 4)
        if progress == "all":
            record_all(refs(desk))
        for query, keep in filters(desk, history):
            for by in ("trader", "dealer"):
                with subtests.test(query=query, by=by, recorded=progress):
                    expected = [order for order in history if keep(order)]
                    assert rows(desk, "/api/orders", by, **query) == expected
        for order in history:
            with subtests.test(order=order["order_status"], recorded=progress):
                assert rows(desk, "/api/deals", order_id=order["order_id"]) == rows(
                    desk, "/api/deals", "dealer", order_id=order["order_id"]
                )
                deals = {"OPEN": 1, "CLOSED": 2}.get(order["order_status"], 0)
                assert len(rows(desk, "/api/deals", order_id=order["order_id"])) == deals


def test_limits_say_how_long_a_page_is(desk: Desk, history: list[Row], subtests: Any) -> None:
    for limit in (1, 2, 4, 5, 6, 199, 200):
        with subtests.test(limit=limit):
            answer = ask(desk, "/api/orders", limit=limit).json()
            assert answer["orders"] == history[:limit]
            assert (answer["next_cursor"] is None) == (limit >= len(history))
    walked = ask(desk, "/api/orders", limit=2, symbol="EURUSD").json()
    assert walked["next_cursor"].endswith(walked["orders"][-1]["order_id"])


def test_fifty_rows_are_a_page_unless_told_otherwise(desk: Desk) -> None:
    path = account_path(desk, LIVE, "/transfers")
    for number in range(50):
        body = {"kind": "credit_in", "amount": str(number + 1), "reason": "more"}
        assert desk.post(path, body, by="dealer").status_code == 201

    answer = ask(desk, path).json()

    assert [row["amount"] for row in answer["transfers"]] == [str(number) for number in range(50, 0, -1)]
    assert rows(desk, path, cursor=answer["next_cursor"])[0]["kind"] == "deposit"


def test_what_is_folded_in_while_a_list_is_read_is_neither_lost_nor_doubled(
    desk: Desk, history: list[Row], monkeypatch: pytest.MonkeyPatch, subtests: Any
) -> None:
    """The gap between the tail of the journals and the rows of the record, opened on purpose."""
    read = recorder.unrecorded
    lists: dict[str, dict[str, Any]] = {
        "/api/orders": {},
        "/api/deals": {},
        account_path(desk, LIVE, "/transfers"): {},
        f"/api/orders/{history[-2]['order_id']}/events": {},
    }
    by_the_journal = {path: rows(desk, path) for path in lists}

    for entries in (1, 2, 3, 100):

        def folding(*args: Any, entries: int = entries, **options: Any) -> list[recorder.Entry]:
            found = read(*args, **options)
            record_some(refs(desk), entries)
            return found

        monkeypatch.setattr(recorder, "unrecorded", folding)
        for path, seen in by_the_journal.items():
            with subtests.test(path=path, folded=entries):
                assert rows(desk, path) == seen
                if not path.endswith("events"):
                    assert walk(desk, path, limit=1) == seen
    assert read(refs(desk), 100) == []


def test_what_happens_while_a_list_is_read_shows_each_order_once(
    desk: Desk, history: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the gap an order ends, another is born, and the recorder folds in both."""
    read, born = recorder.unrecorded, []
    alive = [order for order in history if order["order_status"] == "OPEN"]

    def trading(*args: Any, **options: Any) -> list[recorder.Entry]:
        found = read(*args, **options)
        if alive:
            changed(desk, CLOSE, alive.pop())
        born.append(opened(desk)["order_id"])
        record_all(refs(desk))
        return found

    monkeypatch.setattr(recorder, "unrecorded", trading)
    before = ids_of(history)
    for _ in range(3):
        seen = ids_of(rows(desk, "/api/orders"))
        assert len(seen) == len(set(seen))
        assert [order for order in seen if order not in born] == before
    monkeypatch.undo()
    assert sorted(ids_of(rows(desk, "/api/orders"))) == sorted([*before, *born])


def test_live_orders_of_a_named_account_need_no_postgresql(desk: Desk, history: list[Row], subtests: Any) -> None:
    live = desk.at(LIVE)
    alive = [o for o in history if o["user_type"] == LIVE and o["order_status"] in ("OPEN", "PENDING")]
    strategy = opened(desk, STRATEGY_PROVIDER)
    order = f"/api/orders/{strategy['order_id']}"
    record_some(refs(desk), 3)
    for by in ("trader", "dealer"):
        assert desk.get(order, by=by).status_code == 200  # whoever was proved lately is known
    with postgresql_away():
        catalogue.forget()  # as in a process that has just begun
        assert rows(desk, "/api/orders", **live, status="OPEN,PENDING,QUEUED") == alive
        assert walk(desk, "/api/orders", limit=1, **live, status="OPEN,PENDING") == alive
        assert rows(desk, "/api/orders", "dealer", **live, status="PENDING") == [alive[0]]
        path = f"{STRATEGY}/{desk.accounts[STRATEGY_PROVIDER].pk}"
        assert rows(desk, path, status="OPEN") == [strategy]
        assert desk.get(order).json()["order"] == strategy
        for history_path in (
            "/api/orders",
            "/api/orders?status=OPEN",
            f"/api/orders?user_type=live&user_id={live['user_id']}",
            f"/api/orders?user_type=live&user_id={live['user_id']}&status=OPEN,CLOSED",
            "/api/deals",
            "/api/accounts",
            account_path(desk, LIVE, "/transfers"),
            f"{order}/events",
            path,
        ):
            with subtests.test(path=history_path):
                answer = desk.get(history_path)
                assert refused(answer) == (503, "record_unavailable")
                assert answer["Retry-After"] == "5"


def test_without_the_ledger_no_list_is_half_right(desk: Desk, settings: Any, subtests: Any) -> None:
    order = opened(desk)
    record_all(refs(desk))
    with redis_away(settings, "LEDGER_URL"):
        for path in (
            "/api/orders",
            "/api/orders?status=OPEN",
            "/api/deals",
            "/api/accounts",
            account_path(desk, LIVE, "/transfers"),
            f"/api/orders/{order['order_id']}",
            f"/api/orders/{order['order_id']}/events",
            "/api/instruments",
        ):
            with subtests.test(path=path):
                assert refused(desk.get(path)) == (503, "ledger_unavailable")


def test_live_orders_are_listed_though_nobody_can_say_what_they_are_worth(desk: Desk) -> None:
    order, resting = opened(desk), placed(desk)
    GroupInstrument.objects.all().delete()
    renew()

    assert rows(desk, "/api/orders", **desk.at(LIVE), status="OPEN,PENDING") == newest_first([order, resting])
    account = desk.get(account_path(desk, LIVE)).json()["account"]
    assert (account["balance"], account["equity"], account["unpriced"]) == ("10000", None, "missing_group_data")
    assert account in [{**each, "as_of": account["as_of"]} for each in rows(desk, "/api/accounts")]
    refusal = desk.post(CLOSE, {**desk.at(LIVE), "order_id": order["order_id"]})
    assert refused(refusal) == (422, "missing_group_data")


def test_an_account_that_was_lost_lists_no_live_orders_rather_than_none(desk: Desk) -> None:
    """An account noted in the book and absent from it has orders that nobody can see now."""
    opened(desk)
    desk.book.ledger.delete(keys.portfolio(desk.accounts[LIVE].ref))

    answer = ask(desk, "/api/orders", **desk.at(LIVE), status="OPEN")

    assert refused(answer) == (503, "ledger_unavailable")


def test_an_account_that_never_traded_has_empty_lists(desk: Desk) -> None:
    fresh = tables.account(LIVE, "trader")
    account = {"user_type": LIVE, "user_id": fresh.pk}

    assert rows(desk, "/api/orders", **account, status="OPEN") == []
    assert rows(desk, "/api/orders", **account) == []
    assert rows(desk, "/api/deals", **account) == []
    assert rows(desk, f"/api/accounts/live/{fresh.pk}/transfers") == []
