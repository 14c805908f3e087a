"""The monitor's ladders against a plain list and the rules of firing."""

from decimal import Decimal as D

from hypothesis import given
from hypothesis import strategies as st

from orders.book.triggers import Level
from orders.rules import levels as rules
from orders.rules.facts import side_of
from workers.monitors.levels import WATCHES, LevelBook

TICK = D("0.00001")
KINDS = list(WATCHES)  # in the order in which they fire on one quote

prices = st.integers(109_990, 110_010).map(lambda ticks: ticks * TICK)
quotes = st.tuples(prices, st.integers(0, 10).map(lambda ticks: ticks * TICK)).map(lambda q: (q[0], q[0] + q[1]))
groups = st.sampled_from(["retail", "pro"])
levels = st.builds(
    lambda kind, price, group, number: Level(price, kind[0], "EURUSD", group, kind[1], "live:1", f"ord_l1_{number}", 1),
    st.sampled_from(KINDS),
    prices,
    groups,
    st.integers(0, 5),
)


def fires(level: Level, bid: D, ask: D) -> bool:
    """By the rules, with the client's bid and ask."""
    if level.family == "sl":
        return rules.stop_loss_fires(level.side, level.price, bid, ask)  # type: ignore[arg-type]
    if level.family == "tp":
        return rules.take_profit_fires(level.side, level.price, bid, ask)  # type: ignore[arg-type]
    return rules.pending_fires(level.side, level.price, bid, ask)  # type: ignore[arg-type]


def urgency(level: Level, bid: D, ask: D) -> tuple[int, D]:
    """Stop losses, then take profits, then openings; of one kind what the price passed first and left furthest."""
    buys = level.side == "BUY" if level.family != "pending" else side_of(level.side) == "BUY"  # type: ignore[arg-type]
    market = ask if buys == (level.family == "pending") else bid
    return KINDS.index((level.family, level.side)), -abs(level.price - market)


@given(st.lists(st.one_of(levels, st.tuples(groups, quotes)), max_size=60))
def test_whatever_is_touched_is_taken_out_once_and_in_order(steps: list[Level | tuple[str, tuple[D, D]]]) -> None:
    book, plain = LevelBook(), set[Level]()
    for step in steps:
        if isinstance(step, Level):
            book.add(step)
            plain.add(step)
        else:
            group, (bid, ask) = step
            expected = {level for level in plain if level.group == group and fires(level, bid, ask)}
            known = group in book.groups_of("EURUSD")
            assert (known and book.reaches("EURUSD", group, bid, ask)) == bool(expected)
            taken = book.touched("EURUSD", group, bid, ask) if known else []
            assert (len(taken), set(taken)) == (len(expected), expected)
            assert [urgency(level, bid, ask) for level in taken] == sorted(urgency(level, bid, ask) for level in taken)
            plain -= expected
        assert len(book) == len(plain)


@given(st.lists(levels, max_size=40), st.lists(levels, max_size=40))
def test_what_replaces_is_all_there_is(before: list[Level], after: list[Level]) -> None:
    book = LevelBook()
    for level in before:
        book.add(level)
    book.replace(after)
    assert len(book) == len(set(after))
    assert set(book.groups_of("EURUSD")) == {level.group for level in after}
    for group in ("retail", "pro"):
        if group in book.groups_of("EURUSD"):
            taken = [level for price in (D("1.0"), D("1.2")) for level in book.touched("EURUSD", group, price, price)]
            assert set(taken) == {level for level in after if level.group == group}


@given(st.lists(levels, max_size=40), st.lists(levels, max_size=40))
def test_many_at_once_are_as_one_by_one(before: list[Level], more: list[Level]) -> None:
    book, plain = LevelBook(), LevelBook()
    for level in before:
        book.add(level)
    book.add_all(more)
    for level in (*before, *more):
        plain.add(level)
    assert len(book) == len(plain)
    for group in plain.groups_of("EURUSD"):
        for price in (D("1.0"), D("1.2")):
            assert book.touched("EURUSD", group, price, price) == plain.touched("EURUSD", group, price, price)


def test_levels_of_one_price_fire_in_one_order_whether_it_falls_or_rises() -> None:
    named = [("sl", "BUY"), ("tp", "BUY")]
    book = LevelBook()
    for family, side in named:
        book.add_all(
            Level(D("1.1"), family, "EURUSD", "retail", side, "live:1", f"ord_l1_{name}", 1)  # type: ignore[arg-type]
            for name in "BCA"
        )
    fired = book.touched("EURUSD", "retail", D("1.1"), D("1.1"))
    assert [level.order_id[-1] for level in fired] == ["C", "B", "A"] * 2


def test_one_symbol_and_group_at_a_time() -> None:
    book = LevelBook()
    book.add(Level(D("1.1"), "sl", "EURUSD", "retail", "BUY", "live:1", "ord_l1_A", 1))
    book.add(Level(D("1.1"), "sl", "GBPUSD", "retail", "BUY", "live:1", "ord_l1_B", 1))
    book.add(Level(D("1.1"), "sl", "EURUSD", "pro", "BUY", "live:1", "ord_l1_C", 1))
    assert list(book.groups_of("EURUSD")) == ["retail", "pro"]
    assert list(book.groups_of("USDJPY")) == []
    assert [level.order_id for level in book.touched("EURUSD", "retail", D("1.0"), D("1.0"))] == ["ord_l1_A"]
    assert len(book) == 2
