"""margin_monitor: equity, free margin and margin level of every account that holds something, and its margin call.

A tick moves the screen, which says whose margin call may have begun or ended; so do the news of commits,
and a reading of all holders every WHOLE_PASS_S finds whatever was not told. To look at an account is always
the same: load it, measure it by the rules, latch or release its call, show it, and put it into the screen.

What it writes on the market instance (`user_margin`) is for showing; no rule reads it, and it follows the
ticks at the pace of ACCOUNTS_AT_ONCE accounts every PASS_S. The margin call is a commit on the account: a
latch in the portfolio, journalled when it is set and when it is over.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from accounts import catalogue as catalogues
from accounts.terms import Catalogue
from copytrading.kernel import clock
from copytrading.kernel.decimals import text
from copytrading.kernel.errors import InvariantBroken, OutcomeUnknown
from copytrading.kernel.ids import KINDS, AccountRef
from copytrading.kernel.rejections import Rejection
from orders.book import codec, keys, quotes, terms
from orders.book.connection import Call, ledger, market
from orders.book.streams import news_from, read_news
from orders.messages import CallMargin
from orders.rules import margin_call, valuation
from orders.rules.facts import Config, Market, Portfolio, Valuation
from orders.verbs import carry_out
from workers.base import Worker
from workers.monitors.screen import Screen

PASS_S = 0.1
WHOLE_PASS_S = 60.0
#: As many as ticks wait for: some 50 ms.
ACCOUNTS_AT_ONCE = 200
#: A call takes a commit of its own: more suspects than this wait until the ticks of meanwhile were heard.
SUSPECTS_AT_ONCE = 100
#: What could not be decided, or is a hair from its level, is looked at again after this long.
LOOK_AGAIN_S = 0.5
_LISTEN_S = 0.1
_NEWS_AT_ONCE = 1_000
_NEWS_AGAIN_MS = 5_000

#: Accounts to look at, each with the symbols whose sets of holders name it.
Named = dict[AccountRef, set[str]]


class MarginMonitor(Worker):
    """One step hears ticks and looks at some accounts. `shard` (k, n) takes those whose CRC-32 is k modulo n."""

    name = "margin_monitor"
    shard: tuple[int, int] = (0, 1)

    def prepare(self) -> None:
        self._screen: Screen | None = None
        self._symbols: tuple[str, ...] = ()
        self._heard: Iterator[quotes.Heard] | None = None
        self._news_at = ""
        self._reading: Iterator[tuple[Named, bool]] | None = None
        self._in_haste = True  # until all were read once
        self._met: set[AccountRef] = set()
        self._read_at = self._passed_at = float("-inf")
        self._busy = False

    def lag(self) -> dict[str, str]:
        return {"holders": str(len(self._screen) if self._screen else 0)}

    def mine(self, account: AccountRef) -> bool:
        number, of = self.shard
        return zlib.crc32(str(account).encode()) % of == number

    def step(self) -> bool:
        catalogue = catalogues.current(terms.epoch())
        screen = self._follow(catalogue)
        assert self._heard is not None
        heard = next(self._heard)
        named: Named = {account: set() for account in self._hear(heard, screen)}
        self._busy = len(named) > SUSPECTS_AT_ONCE
        named = dict(islice(named.items(), SUSPECTS_AT_ONCE))
        for account in self._read_news():
            named.setdefault(account, set())
        for account, symbols in self._next_holders(screen).items():
            named.setdefault(account, set()).update(symbols)
        self._look_at(named, catalogue, screen)
        return bool(heard.quotes) or self._busy or self._reading is not None

    def _follow(self, catalogue: Catalogue) -> Screen:
        """Changed terms are priced with at once; call levels follow with a reading of all holders."""
        if self._screen is None:
            self._screen, self._catalogue = Screen(catalogue), catalogue
            self._news_at = news_from(ledger(), keys.QUEUE_ACCOUNTS, _NEWS_AGAIN_MS)
        elif catalogue is not self._catalogue:
            if replace(catalogue, epoch=0) != replace(self._catalogue, epoch=0):
                self._screen.follow(catalogue)
                self._reading, self._read_at, self._in_haste = None, float("-inf"), True
            self._catalogue = catalogue
        symbols = tuple(sorted({symbol for _, symbol in catalogue.terms}))
        if self._heard is None or symbols != self._symbols:
            self._symbols = symbols
            self._heard = quotes.listen(market(), symbols, _LISTEN_S, lambda: self._busy)
        return self._screen

    def _hear(self, heard: quotes.Heard, screen: Screen) -> list[AccountRef]:
        """Whom the screen names: by these ticks, and every PASS_S of all."""
        now = clock.monotonic()
        found: list[AccountRef] = []
        if heard.missed:
            for quote in quotes.read(market(), self._symbols).quotes.values():
                found += screen.hear(quote, now)
        for quote in heard.latest.values():
            found += screen.hear(quote, now)
        if self._busy or now - self._passed_at > PASS_S:
            found += screen.suspects(now)
        return found

    def _read_news(self) -> list[AccountRef]:
        """Accounts of this share that were committed to, each once."""
        news = read_news(ledger(), keys.QUEUE_ACCOUNTS, self._news_at, _NEWS_AT_ONCE)
        if news:
            self._news_at = news[-1][0]
            self._busy = self._busy or len(news) == _NEWS_AT_ONCE
        told = {AccountRef.parse(fields["account"]) for _, fields in news}
        return [account for account in told if self.mine(account)]

    def _next_holders(self, screen: Screen) -> Named:
        """Whose turn it is: some of the reading of all while it lasts, else some whose equity has moved."""
        now = clock.monotonic()
        due = now - self._passed_at > PASS_S
        if self._reading is None and now - self._read_at > WHOLE_PASS_S:
            self._read_at, self._reading = now, self._read_holders(screen)
            self._met.clear()
            due = True
        if not (due or (self._reading and self._in_haste)):
            return {}
        self._passed_at = now
        if self._reading is None:
            return {account: set() for account in screen.next_moved(ACCOUNTS_AT_ONCE)}
        found, over = next(self._reading)
        if over:
            self._reading, self._in_haste = None, False
        self._busy = self._busy or (self._in_haste and not over)
        return found

    def _read_holders(self, screen: Screen) -> Iterator[tuple[Named, bool]]:
        """All that are said to hold something and all that the screen has beside them, and whether that was all.

        Whoever was looked at since it began is left out, unless the screen does not know why a symbol names him.
        """
        found: Named = {}
        for symbol, members in self._members():
            for account in members:
                if account in found:
                    found[account].add(symbol)
                elif account not in self._met or not screen.holds(account, symbol):
                    found[account] = {symbol}
            if len(found) >= ACCOUNTS_AT_ONCE:
                yield found, False
                found = {}
        for account in screen:
            if account not in self._met and account not in found:
                found[account] = set()
                if len(found) >= ACCOUNTS_AT_ONCE:
                    yield found, False
                    found = {}
        yield found, True

    def _members(self) -> Iterator[tuple[str, list[AccountRef]]]:
        """Accounts of this share by the symbol they are said to hold; whoever is named all the while is given."""
        named = [(symbol, keys.symbol_holders(symbol, kind)) for symbol in self._symbols for kind in KINDS]
        sizes = ledger().run([(key, ("SCARD", key)) for _, key in named])
        for symbol, key in [pair for pair, size in zip(named, sizes, strict=True) if size]:
            cursor: Any = "0"
            while cursor:
                cursor, members = ledger().run([(key, ("SSCAN", key, cursor, "COUNT", ACCOUNTS_AT_ONCE))])[0]
                cursor = int(cursor)
                yield symbol, [account for account in map(AccountRef.parse, members) if self.mine(account)]

    def _look_at(self, named: Named, catalogue: Catalogue, screen: Screen) -> None:
        accounts = sorted(named)
        for at in range(0, len(accounts), ACCOUNTS_AT_ONCE):
            batch = accounts[at : at + ACCOUNTS_AT_ONCE]
            known = self._load(batch)
            for account in batch:
                if account not in known:  # lost, or broken: met again by the reading of all
                    screen.remove(account)
            self._value(known, catalogue, screen)
            self._drop_stale(known, named)
            screen.rest(batch, clock.monotonic() + LOOK_AGAIN_S)
            self._met.update(batch)

    def _load(self, accounts: list[AccountRef]) -> dict[AccountRef, tuple[Portfolio, Config]]:
        calls: list[Call] = []
        for account in accounts:
            calls.append((keys.portfolio(account), ("HGETALL", keys.portfolio(account))))
            calls.append((keys.config(account), ("HGETALL", keys.config(account))))
        answers = ledger().run(calls)
        known: dict[AccountRef, tuple[Portfolio, Config]] = {}
        for account, portfolio, config in zip(accounts, answers[::2], answers[1::2], strict=True):
            if portfolio.get("version") and (read := self._readable(account, portfolio, config)):
                known[account] = read
        return known

    def _readable(
        self, account: AccountRef, portfolio: dict[str, str], config: dict[str, str]
    ) -> tuple[Portfolio, Config] | None:
        """One broken account must not keep the others from being measured."""
        try:
            return codec.decode_portfolio(portfolio), codec.decode(Config, config)
        except InvariantBroken as error:
            self._log.critical("account_broken", account=str(account), error=str(error), advice="run audit")
            return None

    def _value(self, known: dict[AccountRef, tuple[Portfolio, Config]], catalogue: Catalogue, screen: Screen) -> None:
        prices = quotes.read(market(), _quotes_for(known.values(), catalogue))
        writing = market().pipeline(transaction=False)
        for account, (portfolio, config) in known.items():
            if measured := _valued(portfolio, config, catalogue, prices):
                writing.hset(keys.user_margin(account), mapping=_shown(measured, portfolio, prices))
                called = margin_call.is_margin_call(measured, catalogue.groups[config.group])
                if called != portfolio.margin_called and self._call(account, portfolio, called, measured):
                    portfolio = replace(portfolio, margin_called=called)  # noqa: PLW2901  as it is now
            if portfolio.margin_called or any(not exposure.flat for exposure in portfolio.exposures.values()):
                screen.put(account, portfolio, config)
            else:
                screen.remove(account)
        writing.execute()

    def _call(self, account: AccountRef, portfolio: Portfolio, called: bool, measured: Valuation) -> bool:
        """Whether the latch is now as it was measured."""
        command = CallMargin(
            account=account,
            principal="system:margin_monitor",
            key=f"{portfolio.version}:{called}",
            staff=True,
            called=called,
        )
        try:
            outcome = carry_out(command)
        except (OutcomeUnknown, InvariantBroken) as error:  # the latch is looked at again
            self._log.error("margin_call_failed", account=str(account), error=str(error))
            return False
        if isinstance(outcome, Rejection):
            return False
        level = "none" if measured.level is None else text(round(measured.level, 2))
        self._log.warning("margin_call" if called else "margin_call_over", account=str(account), margin_level=level)
        return True

    def _drop_stale(
        self, known: dict[AccountRef, tuple[Portfolio, Config]], holders: dict[AccountRef, set[str]]
    ) -> None:
        """Removes, loads again, and adds back if the account has come to hold the symbol meanwhile."""
        gone = [
            (account, symbol)
            for account, (portfolio, _) in known.items()
            for symbol in holders[account] - portfolio.exposures.keys()
        ]
        if not gone:
            return
        ledger().run([_holder("SREM", account, symbol) for account, symbol in gone])
        fields = [(keys.portfolio(account), codec.EXPOSURE_PREFIX + symbol) for account, symbol in gone]
        held = ledger().run([(key, ("HEXISTS", key, field)) for key, field in fields])
        ledger().run([_holder("SADD", *pair) for pair, still in zip(gone, held, strict=True) if still])


def _holder(command: str, account: AccountRef, symbol: str) -> Call:
    key = keys.symbol_holders(symbol, account.kind)
    return key, (command, key, str(account))


def _quotes_for(known: Iterable[tuple[Portfolio, Config]], catalogue: Catalogue) -> set[str]:
    wanted: set[str] = set()
    for held, group, currency in {(frozenset(p.exposures), c.group, c.currency) for p, c in known}:
        offered = {symbol: t for symbol in held if (t := catalogue.terms.get((group, symbol)))}
        wanted |= valuation.quotes_needed(offered, currency, offered, catalogue)
    return wanted


def _valued(portfolio: Portfolio, config: Config, catalogue: Catalogue, prices: Market) -> Valuation | None:
    """None when something it holds can't be valued now."""
    group = catalogue.groups.get(config.group)
    if group is None or any((group.name, symbol) not in catalogue.terms for symbol in portfolio.exposures):
        return None
    offered = {symbol: catalogue.terms[group.name, symbol] for symbol in portfolio.exposures}
    measured = valuation.value(portfolio, group, config.currency, offered, catalogue, prices)
    return None if isinstance(measured, Rejection) else measured


def _shown(measured: Valuation, portfolio: Portfolio, prices: Market) -> dict[Any, Any]:
    return {
        "equity": text(measured.equity),
        "floating": text(measured.floating),
        "free_margin": text(measured.free_margin),
        "used_margin": text(measured.used_margin),
        "level": "" if measured.level is None else text(round(measured.level, 4)),
        "version": str(portfolio.version),
        "at_ms": str(prices.now_ms),
    }
