"""Quotes and instruments: to each account its own price and terms, raw prices to staff alone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from accounts.models import Group, GroupInstrument, Instrument
from copytrading.kernel import clock
from copytrading.kernel.ids import DEMO, LIVE
from orders.book import keys, quotes
from orders.book.terms import renew
from tests.accounts import rows as tables
from tests.api.asking import Row, ask, refused, rows
from tests.api.away import market_away, postgresql_away
from tests.fixtures.desk import EXECUTE, Desk, issue
from tests.fixtures.sessions import close_market, open_market

STAFF = ("support", "dealer", "administrator", "dealing key")
OWNERS = ("trader", "reading key", "trading key")
QUOTES, INSTRUMENTS = "/api/quotes", "/api/instruments"


def quote_of(desk: Desk, by: str = "trader", symbol: str = "EURUSD", kind: str = LIVE) -> Row:
    (found,) = rows(desk, QUOTES, by, **desk.at(kind), symbol=symbol)
    return found


def raw_quote(desk: Desk, by: str = "dealer", symbol: str = "EURUSD") -> Row:
    (found,) = rows(desk, QUOTES, by, symbol=symbol)
    return found


def mark_up(**values: Any) -> None:
    GroupInstrument.objects.update(**values)
    renew()


MARKUPS = [
    # points, point, bid and ask of 1.1000 / 1.1002 on a tick of 0.00001
    ("2", "0.0001", "1.0999", "1.1003"),
    ("0", "0.0001", "1.1", "1.1002"),
    ("3", "0.0001", "1.09985", "1.10035"),
    # half of it is no whole tick: the ask takes it rounded up, the bid rounded down
    ("1", "0.00001", "1.1", "1.10021"),
    ("3", "0.00001", "1.09999", "1.10022"),
    ("1.5", "0.0001", "1.09993", "1.10028"),
]


def test_an_account_is_quoted_its_own_markup_to_the_tick(desk: Desk, subtests: Any) -> None:
    for points, point, bid, ask_price in MARKUPS:
        mark_up(spread_points=Decimal(points), spread_point=Decimal(point))
        for by in (*OWNERS, *STAFF):
            with subtests.test(points=points, point=point, by=by):
                quote = quote_of(desk, by)
                assert (quote["bid"], quote["ask"], quote["tradable"], quote["reason"]) == (bid, ask_price, True, None)
        with subtests.test("what is quoted is what is traded", points=points):
            order = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.01"}
            opened = desk.post(EXECUTE, {**desk.at(LIVE), **order})
            assert opened.json()["order"]["open_price"] == ask_price


def test_each_group_has_its_own_price_of_one_instrument(desk: Desk) -> None:
    tables.group("gold", ignore_hours=True)
    tables.offer("gold", spread_points=Decimal(4))
    tables.offer("gold", "GBPUSD")
    renew()
    desk.quote("1.3000", "1.3002", "GBPUSD")
    desk.accounts[DEMO] = tables.account(DEMO, "trader", "gold")

    assert [(q["symbol"], q["bid"], q["ask"]) for q in rows(desk, QUOTES, **desk.at(LIVE))] == [
        ("EURUSD", "1.0999", "1.1003")
    ]
    assert [(q["symbol"], q["bid"], q["ask"]) for q in rows(desk, QUOTES, **desk.at(DEMO))] == [
        ("EURUSD", "1.0998", "1.1004"),
        ("GBPUSD", "1.2999", "1.3003"),
    ]
    assert [(q["symbol"], q["bid"], q["ask"]) for q in rows(desk, QUOTES, "dealer")] == [
        ("EURUSD", "1.1", "1.1002"),
        ("GBPUSD", "1.3", "1.3002"),
    ]
    assert refused(ask(desk, QUOTES, **desk.at(LIVE), symbol="GBPUSD")) == (404, "unknown_symbol")
    assert refused(ask(desk, QUOTES, "dealer", symbol="XAUUSD")) == (404, "unknown_symbol")


def test_raw_prices_are_for_staff_alone(desk: Desk, subtests: Any) -> None:
    desk.tokens |= {
        "key of support": issue("support", ["read"])[1],
        "key that deals": issue("dealer", ["dealer"])[1],
        "key that trades": issue("trader", ["trade"])[1],
    }
    for by in (*STAFF, "key of support", "key that deals"):
        with subtests.test(by=by):
            assert (raw_quote(desk, by)["bid"], raw_quote(desk, by)["ask"]) == ("1.1", "1.1002")
    for by in (*OWNERS, "stranger", "strategist", "stranger's key", "key that trades"):
        with subtests.test(by=by):
            answer = ask(desk, QUOTES, by)
            assert refused(answer) == (400, "missing_fields")
            assert answer.json()["fields"] == {"user_type": "missing", "user_id": "missing"}
            assert "1.1002" not in answer.content.decode()
    assert refused(ask(desk, QUOTES, None)) == (401, "not_authenticated")


def test_a_price_that_nobody_trades_on_says_why(desk: Desk, subtests: Any) -> None:
    key = keys.market("EURUSD")
    open_market()

    def set_back(by_ms: int) -> None:
        now_ms = quotes.read(desk.book.market, ["EURUSD"]).now_ms
        desk.book.market.hset(key, "stamp", str(now_ms - by_ms))

    for name, make, reason in (
        ("fresh", lambda: set_back(5_000), None),
        ("too old", lambda: set_back(10_001), "stale_price"),
        ("crossed", lambda: desk.quote("1.1002", "1.1000"), "no_price"),
        ("zero", lambda: desk.quote("0", "1.1000"), "no_price"),
        ("locked", lambda: desk.quote("1.1", "1.1"), None),
    ):
        make()
        for quote in (quote_of(desk), raw_quote(desk)):
            with subtests.test(name):
                assert (quote["tradable"], quote["reason"], quote["opens_at"]) == (reason is None, reason, None)
    with subtests.test("the markup leaves no bid"):
        desk.quote("0.0001", "0.0002")
        assert quote_of(desk)["reason"] == "no_price"
        assert raw_quote(desk)["reason"] is None
    with subtests.test("the age is the market's"):
        set_back(7_000)
        assert 7_000 <= quote_of(desk)["age_ms"] < 60_000
    with subtests.test("never quoted"):
        desk.book.market.delete(key)
        assert rows(desk, QUOTES, **desk.at(LIVE)) == rows(desk, QUOTES, "dealer") == []


def opening_in_three_days() -> str:
    """EURUSD trades on one hour of the week from now on. Gives when the next one begins."""
    day = clock.now().replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=3)
    begins = day.weekday() * 1440 + 540
    Instrument.objects.update(sessions=[[begins, begins + 60]], time_zone="UTC")
    renew()
    return f"{day:%Y-%m-%dT%H:%M:%S}.000Z"


def test_a_closed_market_says_when_it_opens(desk: Desk) -> None:
    Group.objects.update(ignore_hours=False)
    opens_at = opening_in_three_days()

    for quote in (quote_of(desk), raw_quote(desk)):
        assert (quote["tradable"], quote["reason"], quote["opens_at"]) == (False, "market_closed", opens_at)
    for account in ({}, desk.at(LIVE)):
        (instrument,) = rows(desk, INSTRUMENTS, **account)
        assert (instrument["market_open"], instrument["opens_at"]) == (False, opens_at)
    close_market()
    assert (quote_of(desk)["reason"], quote_of(desk)["opens_at"]) == ("market_closed", None)
    assert rows(desk, INSTRUMENTS)[0]["opens_at"] is None
    open_market()
    assert (quote_of(desk)["tradable"], quote_of(desk)["opens_at"]) == (True, None)
    assert rows(desk, INSTRUMENTS)[0]["market_open"] is True


def test_a_group_that_ignores_hours_trades_while_the_market_is_closed(desk: Desk) -> None:
    opens_at = opening_in_three_days()

    assert (quote_of(desk)["tradable"], quote_of(desk)["opens_at"]) == (True, None)
    assert (raw_quote(desk)["reason"], raw_quote(desk)["opens_at"]) == ("market_closed", opens_at)
    (offered,), (known,) = rows(desk, INSTRUMENTS, **desk.at(LIVE)), rows(desk, INSTRUMENTS)
    assert (offered["market_open"], offered["opens_at"]) == (True, None)
    assert (known["market_open"], known["opens_at"]) == (False, opens_at)


#: EURUSD as tests/accounts/rows.py makes it.
EURUSD = {
    "symbol": "EURUSD",
    "description": "",
    "class": "forex",
    "digits": 5,
    "tick": "0.00001",
    "contract_size": "100000",
    "base_currency": "EUR",
    "profit_currency": "USD",
    "margin_currency": "EUR",
    "lot_min": "0.01",
    "lot_max": "100",
    "lot_step": "0.01",
    "price_age_ms": 10_000,
    "time_zone": "America/New_York",
    "trading_hours": "Sun 17:00-Fri 17:00",
}
TERMS = {
    "spread_points": "2",
    "point": "0.0001",
    "stops_level": "0",
    "margin_factor": "1",
    "margin_rate": None,
    "commission": {"kind": "per_lot", "rate": "0", "timing": "both"},
}


def test_instruments_are_told_with_the_terms_of_an_accounts_group(desk: Desk, subtests: Any) -> None:
    tables.instrument("GBPUSD")  # nobody offers it
    renew()
    hours = {"market_open", "opens_at"}
    for by in (*OWNERS, *STAFF):
        with subtests.test(by=by):
            first, second = rows(desk, INSTRUMENTS, by)
            assert {name: first[name] for name in first.keys() - hours} == EURUSD
            assert {name: second[name] for name in second.keys() - hours} == EURUSD | {
                "symbol": "GBPUSD", "base_currency": "GBP", "margin_currency": "GBP",
            }  # fmt: skip
            (offered,) = rows(desk, INSTRUMENTS, by, **desk.at(LIVE))
            assert {name: offered[name] for name in offered.keys() - hours} == EURUSD | TERMS
    assert len(rows(desk, INSTRUMENTS, "stranger")) == 2
    changed = {
        "spread_points": "1.5", "stops_level": "10", "margin_factor": "2", "margin_rate": "0.05",
        "lot_min": "0.1", "lot_max": "5",
    }  # fmt: skip
    commission = {"kind": "percent", "rate": "0.01", "timing": "entry"}
    mark_up(
        **{name: Decimal(value) for name, value in changed.items()},
        **{f"commission_{name}": commission[name] for name in commission},
    )
    with subtests.test("changed"):
        (offered,) = rows(desk, INSTRUMENTS, **desk.at(LIVE))
        assert {name: offered[name] for name in offered.keys() - hours} == {
            **EURUSD, **TERMS, **changed, "commission": commission,
        }  # fmt: skip
        assert rows(desk, INSTRUMENTS)[0]["lot_max"] == "100"


def test_prices_are_told_without_postgresql_and_not_without_the_market(
    desk: Desk, settings: Any, subtests: Any
) -> None:
    quotes_of_account = ask(desk, QUOTES, **desk.at(LIVE))
    assert ask(desk, INSTRUMENTS).status_code == quotes_of_account.status_code == 200
    with postgresql_away():
        assert quote_of(desk)["ask"] == "1.1003"
        assert refused(ask(desk, INSTRUMENTS)) == (503, "record_unavailable")
    assert raw_quote(desk)["ask"] == "1.1002"
    with market_away(settings):
        for by, query in (("trader", desk.at(LIVE)), ("dealer", {})):
            with subtests.test(by=by):
                answer = ask(desk, QUOTES, by, **query)
                assert refused(answer) == (503, "no_price")
                assert answer["Retry-After"] == "1"
                assert "127.0.0.1" not in answer.content.decode()


def test_prices_of_what_is_not_there_or_hidden_are_not_found(desk: Desk, subtests: Any) -> None:
    own = desk.at(LIVE)
    for path in (QUOTES, INSTRUMENTS):
        with subtests.test(path=path):
            assert refused(ask(desk, path, "stranger", **own)) == (404, "account_not_found")
            assert refused(ask(desk, path, user_type="live", user_id=999_999)) == (404, "account_not_found")
            assert refused(ask(desk, path, **own, symbol="XAUUSD"))[0] == (404 if path == QUOTES else 400)
