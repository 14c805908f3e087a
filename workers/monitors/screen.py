"""Which accounts may have come to a margin call, or out of one: found among ten thousand in the time of one tick.

Arrays hold, for every account that has something open, its equity at the quotes heard and the equity at which its
margin call begins or ends; a tick moves the equity of the symbol's holders by the change of what they float. A number
in here says "look here" and nothing else: whoever is named is loaded and decided in `Decimal` by the rules.

Why nobody is missed. Money is counted in whole units of the account currency's last digit, in integers, so nothing
drifts. For each leg the rules round the exact result to whole units; here it is worked out in floats and rounded. Its
seven roundings err by less than 2^-50 of the sum of the terms, which is below 2^46 units (else its holders are named
at every look), so by less than a sixteenth of a unit: rounded, both are at most one unit apart, two for the two legs of
a symbol. Balance, the equity of the call level and the rules' own division add less than one unit each. An account is
passed over only if its equity is further from its bound than all of these together, and then the rules agree with its
latch. How old a quote may be is not asked here: that only ever keeps the rules from deciding. An account is not named
while something it holds has no price or no rate, since the rules give it no value either; the quote that changes this
is heard here. What can't be kept in these numbers at all, or has no margin and yet a call, is named at every look.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from accounts.terms import Catalogue, Terms
from copytrading.kernel.decimals import ONE
from copytrading.kernel.ids import AccountRef
from copytrading.kernel.rejections import Rejection
from orders.rules.conversion import convert, symbols_between
from orders.rules.facts import Config, Exposure, Market, Portfolio, Quote
from orders.rules.pricing import half_spreads, is_sound

#: Units by which the screen and the rules may differ: for each symbol held, and besides.
_SLACK_A_SYMBOL: Final = 2
_SLACK: Final = 3
#: No sum of terms beyond this many units is worked out in floats, and no sum of money kept beyond the other.
_MOST_TERMS: Final = 2**46
_MOST_MONEY: Final = 2**52
_NEVER: Final = 2**62

Whole = NDArray[np.int64]
Real = NDArray[np.float64]


class _Strip:
    """What the accounts of one group and currency hold of one symbol, side by side."""

    def __init__(self, symbol: str, group: str, currency: str) -> None:
        self.symbol, self.group, self.currency = symbol, group, currency
        self.size = 0
        self.priced = self.rough = False
        self._places: dict[int, int] = {}
        self._rows: Whole = np.zeros(16, np.int64)
        self._values: Whole = np.zeros(16, np.int64)
        self._held: Real = np.zeros((4, 16))  # long lots and cost, short lots and cost
        self._most_lots = self._most_cost = 0.0
        self._bid = self._ask = self._gain = self._loss = 0.0
        self._terms: Terms | None = None

    @property
    def rows(self) -> Whole:
        return self._rows[: self.size]

    def follow(self, catalogue: Catalogue) -> frozenset[str]:
        """Takes the terms of now, and says which quotes its values depend on."""
        self._terms = catalogue.terms.get((self.group, self.symbol))
        if self._terms is None:
            return frozenset()
        self._spreads = half_spreads(self._terms)
        self._unit = self._terms.contract_size.scaleb(catalogue.currency_digits.get(self.currency, 0))
        between = symbols_between(self._terms.profit_currency, self.currency, catalogue.pairs)
        return frozenset({self.symbol}) | (between or frozenset())

    def price(self, quote: Quote | None, rates: "_Rates") -> bool:
        """Takes the quotes of now. False if they don't tell what a holder's lots are worth."""
        rate = rates.between(self._terms.profit_currency, self.currency) if self._terms else None
        if quote is None or rate is None:
            return False
        self._gain, self._loss = float(self._unit * rate[0]), float(self._unit * rate[1])
        self._bid, self._ask = float(quote.bid - self._spreads[0]), float(quote.ask + self._spreads[1])
        self._judge_size()
        return True

    def put(self, row: int, exposure: Exposure) -> int:
        """One more holder. Gives what it floats now."""
        place = self.size
        if place == len(self._rows):
            self._grow()
        self.size += 1
        self._places[row] = place
        self._rows[place] = row
        # The rules leave a leg without lots out, whatever it is said to have cost.
        long = (exposure.long_lots, exposure.long_cost) if exposure.long_lots else (0, 0)
        short = (exposure.short_lots, exposure.short_cost) if exposure.short_lots else (0, 0)
        held = [float(each) for each in (*long, *short)]
        self._held[:, place] = held
        self._most_lots = max(self._most_lots, abs(held[0]), abs(held[2]))
        self._most_cost = max(self._most_cost, abs(held[1]), abs(held[3]))
        self._judge_size()
        value = int(self._worth(*held)) if self.priced else 0
        self._values[place] = value
        return value

    def remove(self, row: int) -> None:
        """The last holder takes its place."""
        self.size -= 1
        place, last = self._places.pop(row), self.size
        if place != last:
            self._rows[place], self._values[place] = self._rows[last], self._values[last]
            self._held[:, place] = self._held[:, last]
            self._places[int(self._rows[place])] = place

    def revalue(self) -> Whole:
        """By how much what each floats has changed."""
        fresh = self._worth(*self._held[:, : self.size]).astype(np.int64) if self.priced else np.zeros(self.size, int)
        change = fresh - self._values[: self.size]
        self._values[: self.size] = fresh
        return change

    def _worth(self, long_lots: Any, long_cost: Any, short_lots: Any, short_cost: Any) -> Any:
        """Of one holder or of all, in units: a gain is sold for account currency, a loss bought with it."""
        if self.rough:
            return long_lots * 0
        long = self._converted(long_lots * self._bid - long_cost)
        return long + self._converted(short_cost - short_lots * self._ask)

    def _converted(self, made: Any) -> Any:
        if self._gain == self._loss:
            return np.rint(made * self._gain)
        # A loss costs more than a gain brings, so the smaller of the two has the right rate.
        return np.rint(np.minimum(made * self._gain, made * self._loss))

    def _judge_size(self) -> None:
        price, rate = max(abs(self._bid), abs(self._ask)), max(self._gain, self._loss)
        self.rough = (self._most_lots * price + self._most_cost) * rate >= _MOST_TERMS

    def _grow(self) -> None:
        self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        self._held = np.concatenate([self._held, np.zeros_like(self._held)], axis=1)


class _Rates:
    """What a gain and a loss of one currency are in another, at the quotes of one moment; each worked out once."""

    def __init__(self, quotes: dict[str, Quote], catalogue: Catalogue) -> None:
        self._of_no_age = Market(0, quotes)
        self._catalogue = catalogue
        self._known: dict[tuple[str, str], tuple[Decimal, Decimal] | None] = {}

    def between(self, source: str, target: str) -> tuple[Decimal, Decimal] | None:
        """None if there is no way, or no quote for it."""
        if source == target:
            return ONE, ONE
        if (source, target) not in self._known:
            sold = convert(ONE, source, target, self._catalogue, self._of_no_age)
            bought = convert(-ONE, source, target, self._catalogue, self._of_no_age)
            known = not (isinstance(sold, Rejection) or isinstance(bought, Rejection))
            self._known[source, target] = (sold, -bought) if known else None  # type: ignore[operator,assignment]
        return self._known[source, target]


class Screen:
    """Every account that has something open. `now` and `until` are seconds of one clock, whichever."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._quotes: dict[str, Quote] = {}
        self._strips: dict[tuple[str, str, str], _Strip] = {}
        self._by_quote: dict[str, list[_Strip]] = {}
        self._row_of: dict[AccountRef, int] = {}
        self._accounts: list[AccountRef | None] = []
        self._strips_of: list[list[_Strip]] = []
        self._free: list[int] = []
        self._turn = 0
        self._equity: Whole = np.zeros(0, np.int64)
        self._calls_at: Whole = np.zeros(0, np.int64)  # a suspect at or below this equity, if no call is latched
        self._frees_at: Whole = np.zeros(0, np.int64)  # a suspect at or above this one, if a call is latched
        self._blind: Whole = np.zeros(0, np.int64)  # how much of what it holds has no price or rate
        self._moved: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._rests_until: Real = np.zeros(0)
        self.follow(catalogue)

    def __len__(self) -> int:
        return len(self._row_of)

    def __iter__(self) -> Iterator[AccountRef]:
        return iter(list(self._row_of))

    def holds(self, account: AccountRef, symbol: str) -> bool:
        row = self._row_of.get(account)
        return row is not None and any(strip.symbol == symbol for strip in self._strips_of[row])

    def follow(self, catalogue: Catalogue) -> None:
        """Prices by these terms from now on. Call levels and what an account may hold follow as each is put again."""
        self._catalogue = catalogue
        by_quote: dict[str, list[_Strip]] = defaultdict(list)
        rates = _Rates(self._quotes, catalogue)
        for strip in self._strips.values():
            for symbol in strip.follow(catalogue):
                by_quote[symbol].append(strip)
            self._revalue(strip, rates)
        self._by_quote = by_quote

    def put(self, account: AccountRef, portfolio: Portfolio, config: Config) -> None:
        """The account as it was just loaded, in the place of what was known of it."""
        row = self._row_of[account] if account in self._row_of else self._new_row(account)
        self._leave_strips(row)
        self._frees_at[row], self._calls_at[row] = _NEVER, -_NEVER
        self._equity[row] = self._blind[row] = 0
        self._moved[row] = False
        group = self._catalogue.groups.get(config.group)
        digits = self._catalogue.currency_digits.get(config.currency)
        held = {symbol: exposure for symbol, exposure in portfolio.exposures.items() if not exposure.flat}
        offered = all((config.group, symbol) in self._catalogue.terms for symbol in held)
        if group is None or digits is None or not offered:
            return  # the rules give it no value: it is put again when terms change
        money = _units(portfolio.balance + portfolio.credit, digits)
        bound = _units(group.margin_call_level * portfolio.used_margin / 100, digits)
        slack = _SLACK + _SLACK_A_SYMBOL * len(held)
        if max(abs(money), abs(bound)) >= _MOST_MONEY or (portfolio.used_margin.is_zero() and portfolio.margin_called):
            money, self._calls_at[row] = 0, _NEVER
        elif portfolio.margin_called:
            self._frees_at[row] = bound - slack
        else:
            self._calls_at[row] = bound + slack
        for symbol, exposure in held.items():
            strip = self._strip(symbol, config.group, config.currency)
            self._strips_of[row].append(strip)
            money += strip.put(row, exposure)
            self._blind[row] += not strip.priced
            if strip.rough:
                self._calls_at[row] = _NEVER
        self._equity[row] = money

    def remove(self, account: AccountRef) -> None:
        row = self._row_of.pop(account, None)
        if row is not None:
            self._leave_strips(row)
            self._accounts[row] = None
            self._calls_at[row], self._frees_at[row] = -_NEVER, _NEVER
            self._moved[row] = False
            self._free.append(row)

    def hear(self, quote: Quote, now: float) -> list[AccountRef]:
        """Moves every account that the quote concerns, and gives those of them that are to be looked at."""
        if not is_sound(quote):
            return []
        self._quotes[quote.symbol] = quote
        strips = self._by_quote.get(quote.symbol, [])
        rates = _Rates(self._quotes, self._catalogue)
        for strip in strips:
            self._revalue(strip, rates)
        if not strips:
            return []
        return self._named(self._suspects(np.concatenate([strip.rows for strip in strips]), now))

    def suspects(self, now: float) -> list[AccountRef]:
        """Of all accounts, those that are to be looked at."""
        return self._named(self._suspects(np.arange(len(self._accounts)), now))

    def rest(self, accounts: Iterable[AccountRef], until: float) -> None:
        """Those of them that are suspects still, after a look, are not named again before then."""
        rows = np.array([self._row_of[account] for account in accounts if account in self._row_of], np.int64)
        self._rests_until[self._suspects(rows, np.inf)] = until

    def next_moved(self, most: int) -> list[AccountRef]:
        """Accounts whose equity has moved since they were last given here or put, in turn."""
        moved = np.flatnonzero(self._moved)
        at = int(np.searchsorted(moved, self._turn))
        rows = np.concatenate([moved[at:], moved[:at]])[:most]
        self._moved[rows] = False
        self._turn = int(rows[-1]) + 1 if len(rows) else 0
        return self._named(rows)

    def _suspects(self, rows: Whole, now: float) -> Whole:
        equity = self._equity[rows]
        near = rows[(equity <= self._calls_at[rows]) | (equity >= self._frees_at[rows])]
        return near[(self._blind[near] == 0) & (self._rests_until[near] <= now)]

    def _named(self, rows: Whole) -> list[AccountRef]:
        return [account for row in rows.tolist() if (account := self._accounts[row])]

    def _revalue(self, strip: _Strip, rates: _Rates) -> None:
        rows, before = strip.rows, strip.priced
        strip.priced = strip.price(self._quotes.get(strip.symbol), rates)
        self._equity[rows] += strip.revalue()
        self._moved[rows] = True
        if strip.priced != before:
            self._blind[rows] += before - strip.priced
        if strip.rough:
            self._calls_at[rows] = _NEVER

    def _strip(self, symbol: str, group: str, currency: str) -> _Strip:
        named = (symbol, group, currency)
        if named not in self._strips:
            strip = self._strips[named] = _Strip(*named)
            for each in strip.follow(self._catalogue):
                self._by_quote.setdefault(each, []).append(strip)
            self._revalue(strip, _Rates(self._quotes, self._catalogue))
        return self._strips[named]

    def _new_row(self, account: AccountRef) -> int:
        if not self._free:
            self._grow()
        row = self._row_of[account] = self._free.pop()
        self._accounts[row] = account
        self._rests_until[row] = -np.inf
        return row

    def _leave_strips(self, row: int) -> None:
        for strip in self._strips_of[row]:
            strip.remove(row)
        self._strips_of[row] = []

    def _grow(self) -> None:
        known = len(self._accounts)
        more = max(1024, known)
        self._free = list(range(known + more - 1, known - 1, -1))
        self._accounts += [None] * more
        self._strips_of += [[] for _ in range(more)]
        self._equity, self._blind = _grown(self._equity, more, 0), _grown(self._blind, more, 0)
        self._calls_at, self._frees_at = _grown(self._calls_at, more, -_NEVER), _grown(self._frees_at, more, _NEVER)
        self._moved = _grown(self._moved, more, False)
        self._rests_until = _grown(self._rests_until, more, -np.inf)


def _grown(array: NDArray[Any], more: int, of: Any) -> NDArray[Any]:
    return np.concatenate([array, np.full(more, of, array.dtype)])


def _units(amount: Decimal, digits: int) -> int:
    """Whole units of the currency's last digit, less than one below the amount."""
    return int(amount.scaleb(digits).to_integral_value(ROUND_FLOOR))
