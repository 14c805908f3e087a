"""Made-up prices: one seed, one series; whole ticks of the instrument; never far from the reference."""

import itertools
from decimal import Decimal as D

import pytest

from workers.feed.formats import Tick
from workers.feed.simulate import Simulated, reference, simulate

EURUSD = Simulated("EURUSD", D("0.00001"), "forex", 10_000)
USDJPY = Simulated("USDJPY", D("0.001"), "forex", 10_000)
GOLD = Simulated("XAUUSD", D("0.01"), "metal", 10_000)
INDEX = Simulated("US30", D("0.1"), "index", 10_000)
BITCOIN = Simulated("BTCUSD", D("0.01"), "crypto", 10_000)
OIL = Simulated("USOIL", D("0.01"), "energy", 10_000)
ALL = (EURUSD, USDJPY, GOLD, INDEX, BITCOIN, OIL)


def made(*instruments: Simulated, count: int, seed: int = 1, lasts: dict[str, D] | None = None) -> list[Tick]:
    return list(itertools.islice(simulate(instruments, lasts or {}, seed, 1_000), count))


def test_the_same_seed_gives_the_same_ticks_whatever_runs_beside() -> None:
    alone = made(EURUSD, count=50)
    assert alone == made(EURUSD, count=50)
    assert alone != made(EURUSD, count=50, seed=2)
    assert [tick for tick in made(*ALL, count=500) if tick.symbol == "EURUSD"][:50] == alone


def test_every_symbol_has_its_first_tick_at_once_and_time_never_goes_back() -> None:
    ticks = made(*ALL, count=2_000)
    assert {tick.symbol for tick in ticks if tick.moment_ms == 1_000} == {each.symbol for each in ALL}
    assert all(one.moment_ms <= other.moment_ms for one, other in itertools.pairwise(ticks))


@pytest.mark.parametrize("instrument", ALL, ids=lambda each: each.symbol)
def test_ticks_are_tradable_and_stay_near_the_reference(instrument: Simulated) -> None:
    ticks = made(instrument, count=50_000)
    centre = reference(instrument)
    assert all((tick.bid % instrument.tick).is_zero() and (tick.ask % instrument.tick).is_zero() for tick in ticks)
    assert all(0 < tick.bid < tick.ask for tick in ticks)
    assert all(abs(tick.bid - centre) < D("0.25") * centre for tick in ticks)
    assert len({tick.bid for tick in ticks}) > 50
    gaps = [other.moment_ms - one.moment_ms for one, other in itertools.pairwise(ticks)]
    assert min(gaps) > 0
    assert max(gaps) <= 3_000
    assert 200 <= sum(gaps) / len(gaps) <= 1_000  # one to five a second


def test_majors_tick_two_to_five_times_a_second_with_a_pip_of_spread() -> None:
    ticks = made(EURUSD, count=10_000)
    seconds = (ticks[-1].moment_ms - ticks[0].moment_ms) / 1_000
    assert 1.9 <= len(ticks) / seconds <= 5.1
    assert {tick.ask - tick.bid for tick in ticks} <= {n * EURUSD.tick for n in range(7, 15)}


def test_a_walk_far_from_its_reference_comes_back() -> None:
    # A few hours' ticks: the pull takes an eighth of the distance a day, many times what chance does.
    ticks = made(EURUSD, count=100_000, lasts={"EURUSD": D("1.40")})
    assert ticks[0].bid < D("1.40") < ticks[0].ask + D("0.0001")
    assert ticks[-1].bid < D("1.395")


def test_a_walk_goes_on_from_the_last_price_unless_that_is_absurd() -> None:
    first = made(EURUSD, count=1, lasts={"EURUSD": D("1.12345")})[0]
    assert first.bid < D("1.12345") < first.ask
    assert made(EURUSD, count=1, lasts={"EURUSD": D("150")})[0].bid == made(EURUSD, count=1)[0].bid


def test_ticks_come_quicker_than_prices_grow_old() -> None:
    ticks = made(Simulated("BTCUSD", D("0.01"), "crypto", 500), count=1_000)
    assert max(other.moment_ms - one.moment_ms for one, other in itertools.pairwise(ticks)) <= 250


@pytest.mark.parametrize(
    ("instrument", "price"),
    [
        (EURUSD, D("1.10")),
        (Simulated("GBPCHF", D("0.00001"), "forex", 1), D("1.28") / D("1.14")),
        (GOLD, D(2400)),
        (Simulated("DOGEUSD", D("0.00001"), "crypto", 1), D(100)),
        (Simulated("ABCDEF", D("0.00001"), "forex", 1), D(1)),
    ],
    ids=lambda each: str(each)[:20],
)
def test_references(instrument: Simulated, price: D) -> None:
    assert reference(instrument) == price
