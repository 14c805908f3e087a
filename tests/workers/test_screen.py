"""The screen against the rules: whoever they would call, or let go, is named; whoever is far from it is not."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal as D

from hypothesis import event, given, settings
from hypothesis import strategies as st

from accounts.terms import Terms
from copytrading.kernel.decimals import ZERO
from copytrading.kernel.ids import AccountRef
from orders.rules import margin_call, valuation
from orders.rules.facts import Config, Exposure, Market, Portfolio, Quote, Valuation
from tests.rules.terms_for_tests import NOW, make_catalogue, make_group, make_quote, make_terms
from workers.monitors.screen import Screen

#: Raw mids to begin with. SILVER has no pair of its own to convert with, EURPLN lacks any way from PLN but to EUR.
MIDS = {
    "EURUSD": D("1.10000"), "USDJPY": D("150.000"), "EURGBP": D("0.85000"), "GBPUSD": D("1.29000"),
    "EURJPY": D("165.000"), "SILVER": D("30.00000"), "EURPLN": D("4.30000"),
}  # fmt: skip
GROUPS = [
    make_group(name="std"),
    make_group(name="vip", margin_call_level=D("33.3")),
    make_group(name="odd", margin_call_level=D(-20)),
]
TERMS = [
    make_terms(symbol, group=group.name, spread_points=markup, **more)
    for group, markup in zip(GROUPS, ("2", "0", "7"), strict=True)
    for symbol in MIDS
    for more in ({"instrument_class": "metal", "contract_size": "5000"} if symbol == "SILVER" else {},)
]
CATALOGUE = make_catalogue(*TERMS, groups=GROUPS)
CURRENCIES = ["USD", "EUR", "JPY", "PLN"]
_MARKUP = {(each.group, each.symbol): each for each in TERMS}

lots = st.one_of(st.just(ZERO), st.integers(1, 50_000).map(lambda n: D(n) / 100))
cents = st.integers(-9, 9).map(D)


@st.composite
def exposures(draw: st.DrawFn) -> dict[str, Exposure]:
    held = {}
    for symbol in draw(st.lists(st.sampled_from(sorted(MIDS)), min_size=1, max_size=3, unique=True)):
        long, short = draw(lots), draw(lots)
        bought, sold = (MIDS[symbol] * (1 + D(draw(st.integers(-3_000, 3_000))) / 100_000) for _ in "bs")
        held[symbol] = Exposure(long, long * bought, ZERO, short, short * sold, ZERO)
    return held


@st.composite
def portfolios(draw: st.DrawFn) -> tuple[Portfolio, Config]:
    """`balance` says how many units the account shall be off its bound when it is put; `placed` puts it there."""
    used = draw(st.one_of(st.just(ZERO), st.integers(1, 10**9).map(lambda n: D(n) / 100)))
    config = Config(draw(st.sampled_from(GROUPS)).name, 100, draw(st.sampled_from(CURRENCIES)), "active", "rock", 1)
    off = draw(st.one_of(cents, st.integers(-(10**7), 10**7).map(D)))
    return Portfolio(1, "", off, ZERO, used, ZERO, draw(st.booleans()), draw(exposures())), config


@st.composite
def ticks(draw: st.DrawFn) -> Quote:
    """Mostly small moves; now and then a crossed quote, or one of another world."""
    symbol = draw(st.sampled_from(sorted(MIDS)))
    off = draw(st.one_of(st.integers(-20, 20), st.integers(-3_000, 3_000), st.just(-99_000), st.just(10**9)))
    bid = (MIDS[symbol] + MIDS[symbol] * off / 100_000).quantize(D("0.00001"))
    return make_quote(bid, bid + draw(st.integers(-1, 5)) * D("0.00001"), symbol)


Account = tuple[Portfolio, Config]


def measured(account: Account, quotes: dict[str, Quote]) -> Valuation | None:
    portfolio, config = account
    group = CATALOGUE.groups[config.group]
    offered = {symbol: CATALOGUE.terms[group.name, symbol] for symbol in portfolio.exposures}
    found = valuation.value(portfolio, group, config.currency, offered, CATALOGUE, Market(NOW, quotes))
    return found if isinstance(found, Valuation) else None


def differs(account: Account, quotes: dict[str, Quote]) -> bool:
    """Whether the rules would change the latch."""
    found = measured(account, quotes)
    group = CATALOGUE.groups[account[1].group]
    return found is not None and margin_call.is_margin_call(found, group) != account[0].margin_called


def placed(account: Account, quotes: dict[str, Quote]) -> Account:
    """With a balance that puts its equity as many units off its bound as the balance it came with says."""
    portfolio, config = account
    digits = CATALOGUE.currency_digits[config.currency]
    now = measured((replace(portfolio, balance=ZERO), config), quotes)
    floats = now.floating if now else ZERO
    bound = CATALOGUE.groups[config.group].margin_call_level * portfolio.used_margin / 100
    balance = (bound - floats + portfolio.balance.scaleb(-digits)).quantize(D(1).scaleb(-digits))
    return replace(portfolio, balance=balance), config


def refs(count: int) -> list[AccountRef]:
    return [AccountRef("live", number) for number in range(1, count + 1)]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(portfolios(), min_size=1, max_size=6),
    st.lists(ticks(), max_size=8),
    st.lists(st.one_of(ticks(), st.tuples(st.integers(0, 5), portfolios())), max_size=25),
)
def test_nobody_whom_the_rules_would_call_or_let_go_is_missed(
    drawn: list[Account], early: list[Quote], steps: list[Quote | tuple[int, Account]]
) -> None:
    """Some symbols are quoted before the accounts come, some after, some never; accounts change between ticks."""
    screen, quotes = Screen(CATALOGUE), dict[str, Quote]()
    for quote in early:
        screen.hear(quote, 0)
        quotes[quote.symbol] = quote
    known = {ref: placed(account, quotes) for ref, account in zip(refs(len(drawn)), drawn, strict=True)}
    for ref, (portfolio, config) in known.items():
        screen.put(ref, portfolio, config)
    before = {ref for ref in known if differs(known[ref], quotes)}
    assert before <= set(screen.suspects(0))
    for step in steps:
        named: Iterable[AccountRef] = ()
        if isinstance(step, Quote):
            quotes[step.symbol] = step
            named = screen.hear(step, 0)
        else:
            ref = AccountRef("live", step[0] + 1)
            known[ref] = placed(step[1], quotes)
            screen.put(ref, *known[ref])
        now = {ref for ref in known if differs(known[ref], quotes)}
        everywhere = set(screen.suspects(0))
        assert now <= everywhere
        if isinstance(step, Quote):
            assert now - before <= set(named), "who has newly crossed is named by the very tick"
            assert set(named) <= everywhere
            event(f"crossed: {bool(now - before)}")
        before = now


@given(portfolios(), st.lists(ticks(), max_size=6))
def test_who_is_far_from_the_bound_is_not_named(drawn: Account, early: list[Quote]) -> None:
    """Ten units of the currency beyond what the screen may err by are far. That keeps "everybody" from passing."""
    usual = {symbol: make_quote(mid, mid, symbol) for symbol, mid in MIDS.items()}
    quotes = usual | {quote.symbol: quote for quote in early if quote.ask < 10_000}
    screen = Screen(CATALOGUE)
    for quote in quotes.values():
        screen.hear(quote, 0)
    ref = AccountRef("live", 1)
    for latched, off in ((False, D(20)), (True, D(-20))):
        portfolio, config = placed((replace(drawn[0], balance=off), drawn[1]), quotes)
        screen.put(ref, replace(portfolio, margin_called=latched), config)
        found = measured((portfolio, config), quotes)
        without_margin = portfolio.used_margin.is_zero()
        if found is not None and not (latched and without_margin):
            assert screen.suspects(0) == []


def portfolio(balance: str, symbol: str = "EURUSD", held: str = "1", used: str = "1000") -> Portfolio:
    """Long, bought at the mid of MIDS."""
    exposure = Exposure(long_lots=D(held), long_cost=D(held) * MIDS[symbol])
    return Portfolio(1, "", balance=D(balance), used_margin=D(used), exposures={symbol: exposure})


CONFIG = Config("std", 100, "USD", "active", "rock", 1)
ONE, TWO, THREE = refs(3)


def hear(screen: Screen, mid: str, symbol: str = "EURUSD", now: float = 0) -> list[AccountRef]:
    return screen.hear(make_quote(mid, symbol=symbol), now)


def test_a_tick_names_those_it_calls_and_nobody_else() -> None:
    screen = Screen(CATALOGUE)
    hear(screen, "1.1001")  # the client's bid is 1.1000: nothing floats
    screen.put(ONE, portfolio("1100"), CONFIG)
    screen.put(TWO, portfolio("1200"), CONFIG)
    screen.put(THREE, portfolio("1100", "USDJPY"), CONFIG)
    assert hear(screen, "1.0992") == []  # -90
    assert hear(screen, "1.0990") == [ONE]  # -110
    assert set(hear(screen, "1.0970")) == {ONE, TWO}
    screen.remove(ONE)
    assert (hear(screen, "1.0971"), len(screen)) == ([TWO], 2)


def test_a_suspect_that_was_looked_at_rests_but_one_that_is_none_does_not() -> None:
    screen = Screen(CATALOGUE)
    screen.put(ONE, portfolio("1000.01"), CONFIG)
    screen.put(TWO, portfolio("1100"), CONFIG)
    assert hear(screen, "1.1001") == [ONE]
    screen.rest([ONE, TWO, THREE], until=5)
    assert screen.suspects(4) == []
    assert screen.suspects(5) == [ONE]
    assert hear(screen, "1.0980", now=4) == [TWO]


def test_what_has_moved_is_given_once_and_in_turn() -> None:
    screen = Screen(CATALOGUE)
    hear(screen, "1.1001")
    hear(screen, "150.000", "USDJPY")
    for ref, symbol in ((ONE, "EURUSD"), (TWO, "EURUSD"), (THREE, "USDJPY")):
        screen.put(ref, portfolio("5000", symbol), CONFIG)
    assert screen.next_moved(9) == []
    hear(screen, "1.1002")
    assert screen.next_moved(1) == [ONE]
    hear(screen, "1.1003")
    assert screen.next_moved(1) == [TWO]
    assert (screen.next_moved(9), screen.next_moved(9)) == ([ONE], [])
    hear(screen, "150.001", "USDJPY")
    screen.remove(THREE)
    assert screen.next_moved(9) == []


def test_changed_terms_move_prices_at_once() -> None:
    """A wider markup, or a pair that is gone, tells by itself; a new call level when the account is put again."""
    screen = Screen(CATALOGUE)
    hear(screen, "1.1001")
    screen.put(ONE, portfolio("1100"), CONFIG)
    wider = replace(_MARKUP["std", "EURUSD"], spread_points=D(24))
    others: list[Terms] = [each for each in TERMS if each != _MARKUP["std", "EURUSD"]]
    screen.follow(make_catalogue(wider, *others, groups=GROUPS))
    assert screen.suspects(0) == [ONE]
    screen.follow(make_catalogue(*others, groups=GROUPS))
    assert screen.suspects(0) == []
    strict = [make_group(name="std", margin_call_level=D(200)), *GROUPS[1:]]
    screen.follow(make_catalogue(*TERMS, groups=strict))
    assert screen.suspects(0) == []
    screen.put(ONE, portfolio("1100"), CONFIG)
    assert screen.suspects(0) == [ONE]


def test_thousands_come_and_go() -> None:
    """Rows and places are used again; equity does not drift however often it moves."""
    screen = Screen(CATALOGUE)
    many = refs(3_000)
    for ref in many:
        screen.put(ref, portfolio(str(1_100 + ref.id)), CONFIG)
    for ref in many[::2]:
        screen.remove(ref)
    for ref in many[::4]:
        screen.put(ref, portfolio("1104"), CONFIG)
    for number in range(500):
        hear(screen, str(D("1.1001") + D(number % 7) / 100_000))
    hear(screen, "1.1001")
    assert (len(screen), screen.suspects(0)) == (2_250, [])
    assert set(hear(screen, "1.0990")) == {*many[::4], *[ref for ref in many[1::2] if ref.id <= 10]}


def test_what_no_float_could_tell_is_always_looked_at() -> None:
    screen = Screen(CATALOGUE)
    hear(screen, "1.1001")
    screen.put(ONE, portfolio("9" * 15), CONFIG)
    screen.put(TWO, portfolio("1", held="99999999"), CONFIG)
    screen.put(THREE, replace(portfolio("5"), used_margin=ZERO, margin_called=True), CONFIG)
    assert screen.suspects(0) == [ONE, TWO, THREE]
