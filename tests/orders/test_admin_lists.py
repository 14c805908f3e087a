"""Lists of the record over many rows: what each costs the database, what is found, and what is exported."""

import csv
import io
import re
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.db import connection
from django.db.models import Func, TextField, Value
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.admin import lists as admin_lists
from accounts.models import AuditEntry
from orders.admin import exports
from orders.admin.record import OrderAdmin
from orders.models import Deal, Order, Transfer
from tests.accounts import rows

pytestmark = pytest.mark.django_db

TABLES = ("orders_order", "orders_deal", "orders_transfer", "orders_journalentry", "accounts_auditentry")
#: Every 100th order is open, every 50th a stop order, every 1000th rejected; 500 accounts and as many traders.
_MADE = """
INSERT INTO orders_order (order_id, account, symbol, order_type, side, status, flow, lots, open_lots, filled_lots,
    leaves_lots, price_version, open_cost, stop_version, take_version, contract_size, margin, commission_kind,
    commission_rate, commission_timing, commission, profit, swap, reason, principal, created_at, version)
SELECT 'ord_l' || 1 + i %% 500 || '_' || lpad(upper(to_hex(i)), 13, '0'), 'live:' || 1 + i %% 500,
    (ARRAY['EURUSD', 'GBPUSD', 'USDJPY', 'XAUUSD'])[1 + i %% 4], CASE WHEN i %% 50 = 0 THEN 'SELL_STOP' ELSE 'BUY' END,
    CASE WHEN i %% 50 = 0 THEN 'SELL' ELSE 'BUY' END,
    CASE WHEN i %% 1000 = 1 THEN 'REJECTED' WHEN i %% 100 = 0 THEN 'OPEN' ELSE 'CLOSED' END, 'local',
    1, CASE WHEN i %% 100 = 0 THEN 1 ELSE 0 END, 1, 0, 0, 0, 0, 0, 100000, 10, 'per_lot', 0, 'both', 0, i %% 7 - 3.5, 0,
    '=1+1', 'user:' || 1 + i %% 500, TIMESTAMPTZ '2026-03-01 00:00Z' + i * INTERVAL '1 minute', i + 1
FROM generate_series(1, %(rows)s) i;
INSERT INTO orders_deal (account, version, line, order_id, symbol, side, entry, lots, price, profit, commission, swap,
    at)
SELECT account, version, 0, order_id, symbol, side, CASE WHEN version %% 2 = 0 THEN 'in' ELSE 'out' END, lots, 1.1, 0,
    0, 0, created_at FROM orders_order;
INSERT INTO orders_transfer (account, version, line, debit, credit, amount, currency, kind, reason, order_id,
    transfer_id, at)
SELECT account, version, 0, 'house:trading:USD', account, 1, 'USD',
    CASE WHEN version %% 1000 = 0 THEN 'deposit' ELSE 'profit' END, '', order_id, '', created_at FROM orders_order;
INSERT INTO orders_journalentry (account, version, predecessor, verb, principal, command_id, body, at)
SELECT account, version, version - 1, CASE WHEN version %% 1000 = 0 THEN 'configure' ELSE 'open' END, principal,
    lpad(upper(to_hex(version)), 26, '0'),
    '{"note": "", "deals": [], "orders": [{"order_id": "' || order_id || '", "status": "OPEN", "lots": "1"}]}',
    created_at FROM orders_order;
INSERT INTO accounts_auditentry (at, principal, action, subject, outcome, reason, address, request)
SELECT created_at, principal, CASE WHEN version %% 1000 = 0 THEN 'configure_group' ELSE 'close' END, account,
    CASE WHEN version %% 1000 = 0 THEN 'conflict' ELSE 'done' END, '', '', '' FROM orders_order ORDER BY version;
ANALYZE;
"""
ORDERS, DEALS, TRANSFERS = "/admin/orders/order/", "/admin/orders/deal/", "/admin/orders/transfer/"
JOURNAL, AUDIT_LOG = "/admin/orders/journalentry/", "/admin/accounts/auditentry/"
FIRST = "ord_l2_0000000000001"
#: The command of the journal's first entry, which has version 2.
COMMAND = f"{2:026X}"


def make(many: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_MADE, {"rows": many})


@pytest.fixture
def support(db: None) -> Client:
    rows.instrument("EURUSD")
    return logged_in("support")


def logged_in(role: str) -> Client:
    client = Client()
    client.force_login(rows.user(role, role=role))
    return client


def count(client: Client, address: str, **query: str) -> int:
    """How many rows the list says it has."""
    return int(client.get(address, query).context["cl"].result_count)


@pytest.mark.timeout(300)
def test_no_page_reads_a_whole_table(support: Client) -> None:
    make(10_000)
    for address in (
        "/admin/", ORDERS, f"{ORDERS}?p=150", f"{ORDERS}?status=OPEN", f"{ORDERS}?status=REJECTED",
        f"{ORDERS}?status=QUEUED", f"{ORDERS}?order_type=SELL_STOP", f"{ORDERS}?order_type=BUY_LIMIT",
        f"{ORDERS}?flow=provider", f"{ORDERS}?symbol=EURUSD", f"{ORDERS}?symbol=US500",
        f"{ORDERS}?created_at_from_0=2026-03-02&created_at_to_0=2026-03-03", f"{ORDERS}?q=live:7",
        f"{ORDERS}?q=EURUSD", f"{ORDERS}?q=user:7", f"{ORDERS}?q={FIRST}", f"{ORDERS}?q={COMMAND}",
        DEALS, f"{DEALS}?q=live:7", f"{DEALS}?q={FIRST}", f"{DEALS}?symbol=USDJPY", f"{DEALS}?q={COMMAND}",
        TRANSFERS, f"{TRANSFERS}?q=live:7", f"{TRANSFERS}?kind=deposit", f"{TRANSFERS}?kind=swap",
        f"{TRANSFERS}?q={FIRST}", f"{TRANSFERS}?q=house:bank:USD",
        JOURNAL, f"{JOURNAL}?q=live:7", f"{JOURNAL}?q=user:7", f"{JOURNAL}?verb=configure", f"{JOURNAL}?q={COMMAND}",
        f"{JOURNAL}?q={FIRST}", AUDIT_LOG, f"{AUDIT_LOG}?q=live:7", f"{AUDIT_LOG}?q=user:7",
        f"{AUDIT_LOG}?outcome=refused", f"{AUDIT_LOG}?at_from_0=2026-03-02&at_to_0=2026-03-03",
    ):  # fmt: skip
        with CaptureQueriesContext(connection) as asked:
            assert support.get(address).status_code == 200
        for query in asked.captured_queries:
            assert whole_tables_read(query["sql"]) == [], (address, query["sql"])


def whole_tables_read(sql: str) -> list[str]:
    """Which of the large ones. Counting as far as a limit stops there, whatever it walks along."""
    if not sql.startswith("SELECT") or not any(table in sql for table in TABLES):
        return []
    if sql.startswith("SELECT COUNT("):
        assert "LIMIT" in sql, sql
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    return [table for table in re.findall(r"Seq Scan on (\w+)", plan) if table in TABLES]


def test_a_word_finds_what_it_names(support: Client) -> None:
    make(2_000)
    rows.user("ann", role="trader", id=8)
    for address, word, found in (
        (ORDERS, FIRST, 1), (ORDERS, "ord_l8_", 4), (ORDERS, "live:8", 4), (ORDERS, "L10000008", 4),
        (ORDERS, "eurusd", 500), (ORDERS, "user:8", 4), (ORDERS, "ann", 4), (ORDERS, COMMAND, 1),
        (ORDERS, "live:8 GBPUSD", 0), (ORDERS, "nobody", 0), (ORDERS, "key:1", 0), (ORDERS, "live:0", 0),
        (ORDERS, "L10000000", 0), (ORDERS, "%", 0),
        (DEALS, FIRST, 1), (DEALS, "live:8", 4), (DEALS, "EURUSD", 500), (DEALS, COMMAND, 1), (DEALS, "user:8", 0),
        (TRANSFERS, FIRST, 1), (TRANSFERS, "live:8", 4), (TRANSFERS, "house:trading:USD", 2_000),
        (TRANSFERS, COMMAND, 1), (TRANSFERS, "EURUSD", 0),
        (JOURNAL, FIRST, 1), (JOURNAL, "live:8", 4), (JOURNAL, "user:8", 4), (JOURNAL, COMMAND, 1),
        (JOURNAL, "EURUSD", 0),
        (AUDIT_LOG, "live:8", 4), (AUDIT_LOG, "ann", 4), (AUDIT_LOG, "configure_group", 2), (AUDIT_LOG, "live", 0),
    ):  # fmt: skip
        assert count(support, address, q=word) == found, (address, word)


def test_lists_write_money_and_prices_as_people_do(support: Client) -> None:
    account = rows.account()
    at = {"account": str(account.ref), "version": 2, "line": 0, "order_id": FIRST, "at": rows.BEGUN}
    Deal.objects.create(**at, symbol="EURUSD", side="BUY", entry="out", lots=1, price="1.1", profit="-1234.5",
                        commission=0, swap=0)  # fmt: skip
    Transfer.objects.create(**at, debit="house:bank:USD", credit=str(account.ref), amount="9999999.9", currency="USD",
                            kind="deposit")  # fmt: skip
    type(account).objects.update(balance="1234567.8", credit="5")
    for address, written in (
        (DEALS, ("-1,234.50 USD", "1.10000")),
        (TRANSFERS, ("9,999,999.90",)),
        ("/admin/accounts/liveaccount/", ("1,234,567.80 USD", "5.00 USD")),
    ):
        page = support.get(address).content.decode()
        for text in written:
            assert re.search(rf"<td[^>]*field-figure_[^>]*>[^<]*{re.escape(text)}", page), (address, text)


def test_filters_leave_what_they_name(support: Client) -> None:
    make(2_000)
    for address, query, left in (
        (ORDERS, {"status": "OPEN"}, 20),
        (ORDERS, {"status": "OPEN", "symbol": "EURUSD"}, 20),
        (ORDERS, {"order_type": "SELL_STOP"}, 40),
        (ORDERS, {"flow": "provider"}, 0),
        (ORDERS, {"created_at_from_0": "2026-03-01", "created_at_from_1": "01:00:00"}, 1_941),
        (ORDERS, {"created_at_to_0": "2026-03-01"}, 1_439),
        (ORDERS, {"created_at_from_0": "0001-01-01", "created_at_to_0": "9999-12-31"}, 2_000),
        (ORDERS, {"created_at_to_0": "9999-12-31", "created_at_to_1": "23:59:59"}, 2_000),
        (
            ORDERS,
            {"created_at_from_0": "2026-03-01", "created_at_to_0": "2026-03-01", "created_at_to_1": "00:10:00"},
            10,
        ),
        (DEALS, {"entry": "in"}, 1_000),
        (TRANSFERS, {"kind": "deposit"}, 2),
        (JOURNAL, {"verb": "configure"}, 2),
        (AUDIT_LOG, {"outcome": "refused"}, 2),
        (AUDIT_LOG, {"outcome": "done"}, 1_998),
    ):
        assert count(support, address, **query) == left, (address, query)


def test_newest_comes_first_and_order_is_no_choice(support: Client) -> None:
    make(200)
    for address in (ORDERS, DEALS, TRANSFERS, JOURNAL, AUDIT_LOG):
        answer = support.get(address, {"o": "1"})
        times = [getattr(row, "created_at", None) or row.at for row in answer.context["cl"].result_list]
        assert times == sorted(times, reverse=True)
        assert "?o=" not in support.get(address).content.decode()


def test_a_wrong_date_is_told_and_filters_nothing(support: Client) -> None:
    make(10)
    answer = support.get(ORDERS, {"created_at_from_0": "yesterday"}, follow=True)
    assert "Write the date as 2026-01-31" in answer.content.decode()
    assert answer.context["cl"].result_count == 10


def test_counting_ends_somewhere_and_says_so(support: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make(120)
    monkeypatch.setattr(admin_lists.BoundedPaginator, "MOST", 100)
    answer = support.get(ORDERS)
    assert "More than 100. Search, or choose a time" in answer.content.decode()
    assert len(support.get(ORDERS, {"p": "2"}).context["cl"].result_list) == 50
    monkeypatch.setattr(admin_lists.BoundedPaginator, "MOST", 120)
    assert "120 orders" in support.get(ORDERS).content.decode()


def test_a_search_that_takes_too_long_ends_in_a_sentence(support: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make(10)
    sleep = Func(Value(1), template="pg_sleep(%(expressions)s)::text", output_field=TextField())
    slow = Order.objects.annotate(slept=sleep)
    plain = OrderAdmin.get_queryset
    monkeypatch.setattr(admin_lists, "PATIENCE_MS", 50)
    monkeypatch.setattr(
        OrderAdmin,
        "get_queryset",
        lambda page, request: slow.exclude(slept="never") if "q" in request.GET else plain(page, request),
    )
    answer = support.get(ORDERS, {"q": "live:3"}, follow=True)
    assert "too much to look through" in answer.content.decode()
    assert answer.context["cl"].result_count == 10


def exported(client: Client, address: str, file_format: int) -> Any:
    page, _, query = address.partition("?")
    return client.post(f"{page}export/?{query}", {"format": str(file_format), "resource": "0"})


@pytest.mark.parametrize("address", [ORDERS, DEALS, TRANSFERS])
def test_a_list_is_exported_as_it_is_filtered(support: Client, address: str) -> None:
    make(200)
    answer = exported(support, f"{address}?q=live:8", 0)
    assert answer["Content-Type"] == "text/csv"
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert row["account"] == "live:8"
    if address == ORDERS:
        assert (row["lots"], row["profit"], row["contract_size"]) == ("1", "-3.5", "100000")
        assert (row["created_at"], row["opened_at"]) == ("2026-03-01 00:07:00.000", "")
        assert row["reason"] == "'=1+1"
    told = AuditEntry.objects.first()
    assert told is not None
    assert (told.action, told.after) == ("export", {"format": "csv", "of": {"q": "live:8"}})


def test_a_spreadsheet_holds_the_same_as_text(support: Client) -> None:
    make(200)
    answer = exported(support, f"{DEALS}?q=live:8", 1)
    assert answer["Content-Disposition"].endswith('.xlsx"')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        assert book.testzip() is None
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
    head, row = [["".join(cell.itertext()) for cell in line] for line in sheet.iter() if line.tag.endswith("}row")]
    values = dict(zip(head, row, strict=True))
    assert (values["account"], values["price"], values["profit"]) == ("live:8", "1.1", "0")


def test_more_rows_than_a_sheet_should_hold_are_refused_with_what_to_do(
    support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(20)
    monkeypatch.setattr(exports, "MOST", 19)
    answer = support.get(f"{ORDERS}export/?flow=local", follow=True)
    assert answer.redirect_chain == [(f"{ORDERS}?flow=local", 302)]
    assert "These are more than 19 orders. Choose a shorter time or an account" in answer.content.decode()
    assert exported(support, ORDERS, 0).status_code == 302
    monkeypatch.setattr(exports, "MOST", 20)
    assert exported(support, ORDERS, 0).status_code == 200


@pytest.mark.parametrize("role", ["trader", None])
def test_nobody_but_staff_exports_or_looks(role: str | None) -> None:
    make(5)
    client = logged_in(role) if role else Client()
    for address in (ORDERS, DEALS, TRANSFERS, JOURNAL, AUDIT_LOG, "/admin/"):
        for path in (address, f"{address}export/"):
            answer = client.get(path)
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")
