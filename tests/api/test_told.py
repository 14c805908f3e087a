"""What an answer says is what is so: of halts, of protection asked in vain, of closes that failed, of when to come."""

from datetime import datetime
from typing import Any

import pytest

from copytrading.kernel import clock
from copytrading.kernel.ids import DEMO, LIVE, STRATEGY_PROVIDER
from orders.rules.halts import Halt
from orders.verbs.halt import halt
from tests.accounts import rows as tables
from tests.api.asking import ask, refused, rows
from tests.fixtures.desk import CLOSE, CLOSE_ALL, EXECUTE, STRATEGY, Desk
from tests.fixtures.sessions import open_market

BUY = {"symbol": "EURUSD", "order_type": "BUY", "order_quantity": "0.1"}
HOUR_MS = 3_600_000


def stop(scope: str, *, opens_only: bool = True, for_ms: int = 0) -> None:
    assert halt(Halt(scope, opens_only, "news", clock.now_ms() + for_ms if for_ms else 0), "user:9") is None


@pytest.mark.parametrize("opens_only", [True, False])
@pytest.mark.parametrize(("scope", "raw"), [("platform", False), ("instrument:EURUSD", False), ("group:retail", True)])
def test_a_quote_during_a_halt_is_not_tradable(desk: Desk, scope: str, raw: bool, opens_only: bool) -> None:
    tables.group("other")
    tables.offer("other")
    open_market()
    stop("group:other")
    for by, named in (("trader", desk.at(LIVE)), ("dealer", {})):
        (quote,) = rows(desk, "/api/quotes", by, **named)
        assert (quote["tradable"], quote["reason"]) == (True, None)
    stop(scope, opens_only=opens_only)

    (quote,) = rows(desk, "/api/quotes", **desk.at(LIVE))
    assert (quote["tradable"], quote["reason"], quote["bid"]) == (False, "trading_halted", "1.0999")
    (quote,) = rows(desk, "/api/quotes", "dealer")
    assert quote["tradable"] is raw
    assert refused(desk.post(EXECUTE, {**desk.at(LIVE), **BUY})) == (409, "trading_halted")


@pytest.mark.parametrize(("path", "kind"), [(EXECUTE, LIVE), (STRATEGY, STRATEGY_PROVIDER)])
def test_a_deviation_from_no_price_is_refused(desk: Desk, path: str, kind: str) -> None:
    before = desk.versions()

    answer = desk.post(path, {**desk.at(kind), **BUY, "max_deviation_points": "1"})

    assert refused(answer) == (400, "missing_fields")
    assert answer.json()["fields"] == {"order_price": "missing"}
    assert desk.versions() == before
    assert desk.post(path, {**desk.at(kind), **BUY, "order_price": "1.5"}).status_code == 201


def test_close_all_is_not_ok_when_a_close_was_refused(desk: Desk) -> None:
    order = desk.buy()
    stop("instrument:EURUSD", opens_only=False)

    answer = desk.post(CLOSE_ALL, desk.at(LIVE))

    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    (result,) = answer.json()["results"]
    assert (result["ok"], result["order_id"], result["reason"]) == (False, order, "trading_halted")
    assert desk.post(CLOSE_ALL, desk.at(DEMO)).json() == {"ok": True, "results": []}


@pytest.mark.parametrize(("for_ms", "shortest", "longest"), [(90_000, 85, 90), (9 * HOUR_MS, 3600, 3600), (0, 60, 60)])
def test_a_halt_says_when_to_come_again(desk: Desk, for_ms: int, shortest: int, longest: int) -> None:
    stop("platform", for_ms=for_ms)

    answer = desk.post(EXECUTE, {**desk.at(LIVE), **BUY})

    assert refused(answer) == (409, "trading_halted")
    assert shortest <= int(answer["Retry-After"]) <= longest
    if for_ms:
        assert clock.now_ms() < _stamp(answer.json()["until"])


def test_closing_too_much_says_how_much_is_open(desk: Desk) -> None:
    order = desk.buy(lots="0.05")

    answer = desk.post(CLOSE, {**desk.at(LIVE), "order_id": order, "order_quantity": "0.06"})

    assert refused(answer) == (400, "invalid_order_quantity")
    assert answer.json()["open_quantity"] == "0.05"
    assert "at most 0.05" in answer.json()["fields"]["order_quantity"]


def test_an_unknown_symbol_is_named(desk: Desk) -> None:
    for answer in (
        desk.post(EXECUTE, {**desk.at(LIVE), **BUY, "symbol": "XAUUSD"}),
        desk.post(CLOSE_ALL, {**desk.at(LIVE), "symbol": "XAUUSD"}),
        ask(desk, "/api/quotes", **desk.at(LIVE), symbol="XAUUSD"),
        ask(desk, "/api/quotes", "dealer", symbol="XAUUSD"),
    ):
        assert refused(answer) == (404, "unknown_symbol")
        assert list(answer.json()["fields"]) == ["symbol"]


def test_deals_of_anothers_order_are_not_found(desk: Desk) -> None:
    order = desk.buy()

    assert len(rows(desk, "/api/deals", order_id=order)) == 1
    assert refused(ask(desk, "/api/deals", "stranger", order_id=order)) == (404, "order_not_found")
    assert rows(desk, "/api/deals", **desk.at(DEMO), order_id=order) == []


def _stamp(written: Any) -> int:
    """A moment as every answer writes it."""
    whole, _, rest = str(written).partition(".")
    assert (len(rest), rest[-1]) == (4, "Z")
    return clock.to_ms(datetime.fromisoformat(f"{whole}.{rest[:3]}+00:00"))
