"""What the book writes it reads back exactly; what it can't read it names."""

from dataclasses import fields
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrading.kernel.errors import InvariantBroken
from copytrading.kernel.ids import AccountRef
from orders.book import codec
from orders.book.account import Cause, Changes, journal_body
from orders.recorder import parse
from orders.rules import facts
from orders.rules.facts import Config, Deal, Exposure, Order, Portfolio, Quote, Transfer
from orders.rules.halts import Halt

D = Decimal
ACCOUNT = AccountRef("live", 17)

numbers = st.decimals(-(10**15), 10**15, allow_nan=False, allow_infinity=False, places=10)
long_numbers = st.decimals(-(10**17), 10**17, allow_nan=False, allow_infinity=False, places=20)
stamps = st.integers(0, 2**53)
counts = st.integers(0, 2**62)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
symbols = st.from_regex(r"[A-Z0-9][A-Z0-9._]{1,15}", fullmatch=True)

exposures = st.builds(Exposure, *([long_numbers] * 6))
portfolios = st.builds(
    Portfolio,
    version=counts,
    ledger_id=texts,
    balance=numbers,
    credit=numbers,
    used_margin=numbers,
    reserved_margin=numbers,
    margin_called=st.booleans(),
    exposures=st.dictionaries(symbols, exposures, max_size=4),
)
configs = st.builds(
    Config, group=texts, leverage=counts, currency=texts, status=texts, sending_orders=texts, owner=counts
)
_ORDER_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "str": texts,
    "Decimal": long_numbers,
    "Decimal | None": st.none() | numbers,
    "int": counts,
    "OrderType": st.sampled_from(get_args(facts.OrderType)),
    "Side": st.sampled_from(get_args(facts.Side)),
    "Status": st.sampled_from(get_args(facts.Status)),
    "Flow": st.sampled_from(get_args(facts.Flow)),
}


def _written_type(field: Any) -> str:
    if isinstance(field.type, str):
        return field.type
    for name in ("OrderType", "Side", "Status", "Flow"):
        if field.type == getattr(facts, name):
            return name
    return getattr(field.type, "__name__", str(field.type).replace("decimal.", ""))


orders = st.builds(Order, **{field.name: _ORDER_FIELDS[_written_type(field)] for field in fields(Order)})
sides = st.sampled_from(get_args(facts.Side))
deals = st.builds(
    Deal, texts, symbols, sides, st.sampled_from(["in", "out"]), numbers, numbers, numbers, numbers, numbers, stamps
)
transfers = st.builds(Transfer, texts, texts, numbers, texts, texts, texts, texts, texts)


@pytest.mark.parametrize(("cls", "values"), [(Order, orders), (Config, configs), (Deal, deals), (Transfer, transfers)])
def test_a_flat_value_comes_back(cls: type, values: st.SearchStrategy[Any]) -> None:
    @given(values)
    def comes_back(value: Any) -> None:
        written = codec.encode(value)
        assert all(isinstance(text, str) for text in written.values())
        assert codec.decode(cls, written) == value
        assert codec.encode(codec.decode(cls, written)) == written

    comes_back()


@given(portfolios)
def test_a_portfolio_comes_back(portfolio: Portfolio) -> None:
    written = codec.encode_portfolio(portfolio)
    assert codec.decode_portfolio(written) == portfolio
    assert codec.encode_portfolio(codec.decode_portfolio(written)) == written


@given(st.builds(Halt, st.just("platform"), st.booleans(), texts, stamps))
def test_a_halt_comes_back(halt: Halt) -> None:
    assert codec.decode_halt("platform", codec.encode_halt(halt)) == halt


@given(
    portfolios,
    st.lists(orders, max_size=2),
    st.lists(deals, max_size=2),
    st.lists(transfers, max_size=2),
    st.none() | configs,
)
def test_a_journal_entry_tells_all_that_became_true(
    portfolio: Portfolio, born: list[Order], dealt: list[Deal], moved: list[Transfer], config: Config | None
) -> None:
    changes = Changes(
        portfolio,
        born=tuple(born),
        deals=tuple(dealt),
        transfers=tuple(moved),
        config=config,
        quotes=(Quote("EURUSD", D("1.1"), D("1.2"), 5, 6),),
        departed={"T1": {"amount": "5"}},
        arrived=("T0",),
    )
    cause = Cause("open", "CMD", "HASH", "user:1", answer={"ok": True}, note="why")
    orders = [codec.encode(order) for order in changes.orders]
    body = journal_body(changes, cause, codec.encode_portfolio(changes.portfolio), orders)
    entry = parse(ACCOUNT, 7, 6, body)
    assert (entry.portfolio, entry.orders, entry.deals, entry.transfers, entry.config) == (
        portfolio, tuple(born), tuple(dealt), tuple(moved), config,
    )  # fmt: skip
    read = codec.from_json(body)
    assert (read["verb"], read["by"], read["command_id"], read["note"]) == ("open", "user:1", "CMD", "why")
    assert read["answer"] == {"ok": True}
    assert read["quotes"] == [{"symbol": "EURUSD", "bid": "1.1", "ask": "1.2", "stamp_ms": "5", "sequence": "6"}]
    assert (read["departed"], read["arrived"]) == ({"T1": {"amount": "5"}}, ["T0"])


@pytest.mark.parametrize(
    ("number", "written"),
    [("0.0100", "0.01"), ("1E+3", "1000"), ("-0", "0"), ("1E-10", "0.0000000001"), ("100", "100"), ("-5.50", "-5.5")],
)
def test_decimals_are_plain_digits(number: str, written: str) -> None:
    assert codec.encode(Transfer("a", "b", D(number), "USD", "deposit"))["amount"] == written


def test_an_exposure_is_six_numbers_in_their_order() -> None:
    exposure = Exposure(D("0.5"), D("0.55015"), D("550.15"), D("0.3"), D("0.32997"), D("329.97"))
    assert codec.encode_exposure(exposure) == "0.5|0.55015|550.15|0.3|0.32997|329.97"


_ORDER = codec.encode(Order("ord_l17_A", "live:17", "EURUSD", "BUY", "BUY", "OPEN", "local", D(1)))


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"lots": "many"}, "InvalidOperation"),
        ({"version": "1.5"}, "1.5"),
        ({"lots": ""}, "InvalidOperation"),
        ({"margin": None}, "margin"),
    ],
)
def test_an_unreadable_order_is_named(broken: dict[str, str | None], named: str) -> None:
    written = {name: value for name, value in {**_ORDER, **broken}.items() if value is not None}
    with pytest.raises(InvariantBroken, match="Order in the book is unreadable") as raised:
        codec.decode(Order, written)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    "broken",
    [
        {"balance": "x"},
        {"version": ""},
        {"x:EURUSD": "1|2|3"},
        {"x:EURUSD": "1|2|3|4|5|6|7"},
        {"x:EURUSD": "a|b|c|d|e|f"},
    ],
)
def test_an_unreadable_portfolio_is_named(broken: dict[str, str]) -> None:
    written = codec.encode_portfolio(Portfolio(3, "L"))
    assert codec.decode_portfolio(written) == Portfolio(3, "L")
    with pytest.raises(InvariantBroken, match="a portfolio in the book is unreadable"):
        codec.decode_portfolio({**written, **broken})
