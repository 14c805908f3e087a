"""margin_monitor: equity, free margin and margin level of every account that holds something, and its margin call.

What it writes on the market instance (`user_margin`) is for showing; no rule reads it. The margin call
is a commit on the account: a latch in the portfolio, journalled when it is set and when it is over.
"""

from collections.abc import Iterable, Iterator
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
from orders.messages import CallMargin
from orders.rules import margin_call, valuation
from orders.rules.facts import Config, Market, Portfolio, Valuation
from orders.verbs import carry_out
from workers.base import Worker

PASS_S = 0.5
WHOLE_PASS_S = 5.0
ACCOUNTS_AT_ONCE = 500
_LISTEN_S = 0.25


class MarginMonitor(Worker):
    """One step hears ticks, and every half second measures the holders of the symbols that ticked."""

    name = "margin_monitor"

    def prepare(self) -> None:
        self._ticked: set[str] = set()
        self._measured_at = self._all_measured_at = float("-inf")
        self._symbols: tuple[str, ...] = ()
        self._heard: Iterator[quotes.Heard] | None = None
        self._holders = 0

    def lag(self) -> dict[str, str]:
        return {"holders": str(self._holders)}

    def step(self) -> bool:
        catalogue = catalogues.current(terms.epoch())
        symbols = tuple(sorted({symbol for _, symbol in catalogue.terms}))
        if self._heard is None or symbols != self._symbols:
            self._symbols, self._heard = symbols, quotes.listen(market(), symbols, _LISTEN_S)
        heard = next(self._heard)
        self._ticked.update(heard.latest)
        now = clock.monotonic()
        if now - self._all_measured_at > WHOLE_PASS_S:
            self._all_measured_at = self._measured_at = now
            self._ticked.clear()
            self._holders = self._measure(self._holders_of(symbols), catalogue)
        elif self._ticked and now - self._measured_at > PASS_S:
            self._measured_at = now
            ticked, self._ticked = self._ticked, set()
            self._measure(self._holders_of(ticked), catalogue)
        return bool(heard.quotes)

    def _holders_of(self, symbols: Iterable[str]) -> dict[AccountRef, set[str]]:
        """Accounts and the symbols they are said to hold."""
        named = [(symbol, keys.symbol_holders(symbol, kind)) for symbol in symbols for kind in KINDS]
        found: dict[AccountRef, set[str]] = {}
        for (symbol, _), members in zip(named, ledger().run([(k, ("SMEMBERS", k)) for _, k in named]), strict=True):
            for member in members:
                found.setdefault(AccountRef.parse(member), set()).add(symbol)
        return found

    def _measure(self, holders: dict[AccountRef, set[str]], catalogue: Catalogue) -> int:
        accounts = sorted(holders)
        for at in range(0, len(accounts), ACCOUNTS_AT_ONCE):
            batch = accounts[at : at + ACCOUNTS_AT_ONCE]
            calls: list[Call] = []
            for account in batch:
                calls.append((keys.portfolio(account), ("HGETALL", keys.portfolio(account))))
                calls.append((keys.config(account), ("HGETALL", keys.config(account))))
            answers = ledger().run(calls)
            known: dict[AccountRef, tuple[Portfolio, Config]] = {}
            for account, portfolio, config in zip(batch, answers[::2], answers[1::2], strict=True):
                if portfolio.get("version") and (read := self._readable(account, portfolio, config)):
                    known[account] = read
            self._value(known, catalogue)
            self._drop_stale(known, holders)
        return len(accounts)

    def _readable(
        self, account: AccountRef, portfolio: dict[str, str], config: dict[str, str]
    ) -> tuple[Portfolio, Config] | None:
        """One broken account must not keep the others from being measured."""
        try:
            return codec.decode_portfolio(portfolio), codec.decode(Config, config)
        except InvariantBroken as error:
            self._log.critical("account_broken", account=str(account), error=str(error), advice="run audit")
            return None

    def _value(self, known: dict[AccountRef, tuple[Portfolio, Config]], catalogue: Catalogue) -> None:
        prices = quotes.read(market(), _quotes_for(known.values(), catalogue))
        writing = market().pipeline(transaction=False)
        for account, (portfolio, config) in known.items():
            measured = _valued(portfolio, config, catalogue, prices)
            if measured is None:
                continue
            writing.hset(keys.user_margin(account), mapping=_shown(measured, portfolio, prices))
            called = margin_call.is_margin_call(measured, catalogue.groups[config.group])
            if called != portfolio.margin_called:
                self._call(account, portfolio, called, measured)
        writing.execute()

    def _call(self, account: AccountRef, portfolio: Portfolio, called: bool, measured: Valuation) -> None:
        command = CallMargin(
            account=account,
            principal="system:margin_monitor",
            key=f"{portfolio.version}:{called}",
            staff=True,
            called=called,
        )
        try:
            outcome = carry_out(command)
        except (OutcomeUnknown, InvariantBroken) as error:  # the latch is looked at again on the next pass
            self._log.error("margin_call_failed", account=str(account), error=str(error))
            return
        if not isinstance(outcome, Rejection):
            level = "none" if measured.level is None else text(round(measured.level, 2))
            self._log.warning("margin_call" if called else "margin_call_over", account=str(account), margin_level=level)

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
