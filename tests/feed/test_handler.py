"""What passes, what is dropped, and under which name it is counted."""

from decimal import Decimal as D

import pytest

from orders.book.quotes import Touch
from workers.feed.formats import Tick
from workers.feed.handler import Handler

SIZES = {"EURUSD": D("0.00001"), "XAUUSD": D("0.01")}


Prices = tuple[D, D]


def prices(bid: str, ask: str) -> Prices:
    return D(bid), D(ask)


def handled(*ticks: tuple[int, str, str]) -> tuple[list[Prices | None], dict[str, int]]:
    """What came out for each EURUSD tick (moment, bid, ask), and the counts that are not zero."""
    handler = Handler("test", 0, SIZES)
    touches = [handler.accept(Tick(moment, "EURUSD", *prices(bid, ask))) for moment, bid, ask in ticks]
    passed = [(touch.bid, touch.ask) if touch else None for touch in touches]
    return passed, {name: number for name, number in handler.counts.items() if number}


GOOD = (0, "1.10000", "1.10010")
OUT = prices("1.10000", "1.10010")


@pytest.mark.parametrize(
    ("ticks", "passed", "counts"),
    [
        ([GOOD], [OUT], {"passed": 1}),
        ([(0, "1.10000", "1.10000")], [prices("1.10000", "1.10000")], {"passed": 1, "locked": 1}),
        ([(0, "1.10001", "1.10000")], [None], {"crossed": 1}),
        ([(0, "0", "1.10000")], [None], {"not_positive": 1}),
        ([(0, "-1.1", "-1.0")], [None], {"not_positive": 1}),
        ([(0, "0.000009", "1.1")], [None], {"not_positive": 1}),  # its bid would be floored to zero
        ([GOOD, (0, "1.10001", "1.10010")], [OUT, prices("1.10001", "1.10010")], {"passed": 2}),
        ([(5, *GOOD[1:]), (4, "1.10001", "1.10010")], [OUT, None], {"passed": 1, "backward": 1}),
        # A dropped tick's time is nobody's measure.
        ([GOOD, (9, "1.2", "1.1"), (5, *GOOD[1:])], [OUT, None, OUT], {"passed": 2, "crossed": 1}),
        # Off the instrument's tick: bid down, ask up.
        ([(0, "1.100006", "1.100084")], [prices("1.10000", "1.10009")], {"passed": 1, "widened": 1}),
    ],
)
def test_one_tick_after_another(
    ticks: list[tuple[int, str, str]], passed: list[Prices | None], counts: dict[str, int]
) -> None:
    assert handled(*ticks) == (passed, counts)


def test_ten_percent_is_no_jump_and_a_tick_more_is() -> None:
    assert handled((0, "1.00000", "1.00000"), (1, "1.10000", "1.10000"))[1] == {"passed": 2, "locked": 2}
    assert handled((0, "1.00000", "1.00000"), (1, "1.10000", "1.10001"))[1] == {"passed": 1, "locked": 1, "jump": 1}
    assert handled((0, "1.00000", "1.00000"), (1, "0.89999", "0.90000"))[1] == {"passed": 1, "locked": 1, "jump": 1}


def test_a_jump_is_believed_at_the_third_tick_in_a_row() -> None:
    passed, counts = handled(GOOD, (1, "2.1", "2.2"), (2, "2.1", "2.2"), (3, "2.10002", "2.2"), (4, "2.10003", "2.2"))
    assert passed == [OUT, None, None, prices("2.10002", "2.2"), prices("2.10003", "2.2")]
    assert counts == {"passed": 3, "jump": 2}


def test_a_usual_tick_between_begins_the_count_of_a_jump_anew() -> None:
    far = ("2.1", "2.2")
    passed, counts = handled(GOOD, (1, *far), (2, *far), (3, *GOOD[1:]), (4, *far), (5, *far))
    assert passed == [OUT, None, None, OUT, None, None]
    assert counts == {"passed": 2, "jump": 4}


def test_jumps_that_disagree_confirm_nothing() -> None:
    passed, _ = handled(GOOD, (1, "2", "2"), (2, "3", "3"), (3, "4", "4"), (4, "4", "4"), (5, "4", "4"))
    assert passed == [OUT, None, None, None, None, prices("4", "4")]


def test_a_symbol_that_is_not_offered_is_dropped() -> None:
    handler = Handler("test", 0, SIZES)
    assert handler.accept(Tick(0, "GBPUSD", D("1.2"), D("1.3"))) is None
    assert handler.counts == {"not_offered": 1}


def test_symbols_are_judged_apart_and_share_one_sequence() -> None:
    handler = Handler("test", 41, SIZES)
    assert handler.accept(Tick(9, "EURUSD", D("1.1"), D("1.2"))) == Touch("EURUSD", D("1.1"), D("1.2"), "test", 42)
    assert handler.accept(Tick(8, "EURUSD", D("1.1"), D("1.2"))) is None
    assert handler.accept(Tick(5, "XAUUSD", D(2400), D(2401))) == Touch("XAUUSD", D(2400), D(2401), "test", 43)


def test_the_limit_of_a_jump_can_be_chosen() -> None:
    handler = Handler("test", 0, SIZES, jump_limit=D("0.01"))
    assert handler.accept(Tick(0, "EURUSD", D("1.00"), D("1.00"))) is not None
    assert handler.accept(Tick(1, "EURUSD", D("1.02"), D("1.02"))) is None
