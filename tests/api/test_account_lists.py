"""Accounts and the movements of their money, as lists."""

from decimal import Decimal
from typing import Any

from accounts.models import AccountStatus
from copytrading.kernel.ids import COPY_FOLLOWER, DEMO, KINDS, LIVE, STRATEGY_PROVIDER
from orders.messages import Configure, Done, TransferBetween
from orders.verbs import carry_out
from tests.accounts import rows as tables
from tests.api.asking import account_path, ask, record_all, record_some, refs, refused, rows, walk
from tests.fixtures.desk import CLOSE, Desk

STEPS = ("nothing", "half", "all")


def record(desk: Desk, progress: str) -> None:
    if progress == "half":
        record_some(refs(desk), 2)
    if progress == "all":
        record_all(refs(desk))


def names(found: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(account["user_type"], account["user_id"]) for account in found]


def test_accounts_are_listed_by_kind_and_id_as_each_shows_itself(desk: Desk) -> None:
    more = [tables.account(LIVE, "trader"), tables.account(COPY_FOLLOWER, "trader")]
    tables.account(DEMO, "stranger")
    desk.buy()
    own = sorted(
        [(account.kind, account.pk) for account in (*desk.accounts.values(), *more)],
        key=lambda named: (list(KINDS).index(named[0]), named[1]),
    )

    listed = rows(desk, "/api/accounts")

    assert names(listed) == own
    for account in listed:
        alone = desk.get(f"/api/accounts/{account['user_type']}/{account['user_id']}").json()["account"]
        assert {**account, "as_of": ""} == {**alone, "as_of": ""}
    assert [account["live_orders"] for account in listed] == [1, 0, 0, 0, 0, 0]
    for limit in (1, 2, 3, 6, 7):
        assert names(walk(desk, "/api/accounts", limit=limit)) == own


def test_staff_lists_all_accounts_in_pages(desk: Desk) -> None:
    others = [tables.account(kind, "stranger") for kind in (DEMO, LIVE, DEMO, STRATEGY_PROVIDER)]
    everyone = sorted(
        [(account.kind, account.pk) for account in (*desk.accounts.values(), *others)],
        key=lambda named: (list(KINDS).index(named[0]), named[1]),
    )
    for limit in (1, 3, 8, 200):
        assert names(walk(desk, "/api/accounts", "support", limit=limit)) == everyone
    for kind in KINDS:
        of_kind = [named for named in everyone if named[0] == kind]
        assert names(walk(desk, "/api/accounts", "support", limit=1, user_type=kind)) == of_kind
    elsewhere = ask(desk, "/api/accounts", "support", user_type=LIVE, cursor=f"demo-{others[0].pk}")
    assert elsewhere.json()["accounts"] == []


def test_a_status_is_the_books_however_far_the_recorder_is(desk: Desk, subtests: Any) -> None:
    """Disabled a moment ago is disabled in every list at once."""
    for kind, status in ((DEMO, "disabled"), (STRATEGY_PROVIDER, "close_only")):
        asked = Configure(account=desk.accounts[kind].ref, principal="user:1", key="1", reason="x", status=status)
        assert isinstance(carry_out(asked), Done)
    statuses = {LIVE: "active", DEMO: "disabled", STRATEGY_PROVIDER: "close_only", COPY_FOLLOWER: "active"}
    for progress in STEPS:
        record(desk, progress)
        for status in AccountStatus.values:
            for by in ("trader", "dealer"):
                with subtests.test(recorded=progress, status=status, by=by):
                    expected = [desk.at(kind) for kind in KINDS if statuses[kind] == status]
                    listed = rows(desk, "/api/accounts", by, status=status)
                    assert [{name: each[name] for name in ("user_type", "user_id")} for each in listed] == expected
                    assert {account["status"] for account in listed} <= {status}


def test_an_account_without_a_price_of_what_it_holds_is_listed_unpriced(desk: Desk) -> None:
    desk.buy()
    desk.book.market.delete("market:EURUSD")

    live, demo, *_ = rows(desk, "/api/accounts")

    assert (live["equity"], live["unpriced"], live["balance"]) == (None, "no_price", "10000")
    assert (demo["equity"], demo["unpriced"]) == ("10000", None)


def test_every_movement_of_money_is_listed_newest_first(desk: Desk, subtests: Any) -> None:
    path = account_path(desk, LIVE, "/transfers")
    order = desk.buy(lots="0.5")
    desk.post(CLOSE, {**desk.at(LIVE), "order_id": order})
    for kind, amount in (("withdrawal", "5"), ("correction", "-1.25"), ("credit_in", "7"), ("credit_out", "2")):
        body = {"kind": kind, "amount": amount, "reason": f"because of {kind}"}
        assert desk.post(path, body, by="dealer").status_code == 201
    moved = TransferBetween(
        account=desk.accounts[LIVE].ref, principal="user:1", key="1", destination=desk.accounts[DEMO].ref,
        amount=Decimal(3), reason="to the demo",
    )  # fmt: skip
    assert isinstance(carry_out(moved), Done)
    account, other = f"live:{desk.accounts[LIVE].pk}", f"demo:{desk.accounts[DEMO].pk}"
    expected = [
        # kind, amount, debit, credit, direction, reason, order
        ("transfer", "3", account, "house:transit:USD", "out", "to the demo", None),
        ("credit_out", "2", account, "house:credit:USD", "out", "because of credit_out", None),
        ("credit_in", "7", "house:credit:USD", account, "in", "because of credit_in", None),
        ("correction", "1.25", account, "house:error:USD", "out", "because of correction", None),
        ("withdrawal", "5", account, "house:bank:USD", "out", "because of withdrawal", None),
        ("profit", "20", account, "house:trading:USD", "out", "", order),
        ("deposit", "10000", "house:bank:USD", account, "in", "begin", None),
    ]
    columns = ("kind", "amount", "debit", "credit", "direction", "reason", "order_id")
    for progress in STEPS:
        record(desk, progress)
        for by in ("trader", "support", "dealing key"):
            with subtests.test(recorded=progress, by=by):
                listed = rows(desk, path, by)
                assert [tuple(row[name] for name in columns) for row in listed] == expected
                assert {row["currency"] for row in listed} == {"USD"}
                assert walk(desk, path, by, limit=2) == listed
                assert [row["kind"] for row in rows(desk, path, by, kind="deposit,withdrawal")] == [
                    "withdrawal", "deposit",
                ]  # fmt: skip
                assert rows(desk, path, by, kind="swap") == []
                begun = listed[3]["at"]
                assert rows(desk, path, by, since=begun) == [row for row in listed if row["at"] >= begun]
                assert rows(desk, path, by, until=begun) == [row for row in listed if row["at"] < begun]
        arrived = rows(desk, account_path(desk, DEMO, "/transfers"))[0]
        left = rows(desk, path)[0]
        with subtests.test("both halves", recorded=progress):
            assert (arrived["debit"], arrived["credit"], arrived["direction"]) == ("house:transit:USD", other, "in")
            assert arrived["transfer_id"] == left["transfer_id"] is not None


def test_movements_of_what_is_not_there_or_hidden_are_not_found(desk: Desk, subtests: Any) -> None:
    for account in ("live/999999", "live/0", "live/x", "LIVE/1", "live/1%00", "house/1", "live/１"):
        with subtests.test(account=account):
            assert refused(desk.get(f"/api/accounts/{account}/transfers")) == (404, "account_not_found")
    hidden = desk.get(account_path(desk, LIVE, "/transfers"), by="stranger")
    absent = desk.get("/api/accounts/live/999999/transfers", by="stranger")
    assert hidden.content == absent.content
