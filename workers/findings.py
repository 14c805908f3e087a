"""What an operator has to know, in words, gravest first: what is wrong, and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from copytrading.kernel import clock
from orders.audit import UNDER_WAY_MS, Outcome
from orders.readiness import TRADING_NEEDS, Readiness
from orders.rules.halts import Halt
from workers.readings import Readings

#: The record may be so far behind without anybody having to know.
LAG_S = 10.0
#: The nightly audit, with two hours to spare.
AUDIT_EVERY_S = 26 * 3_600
AUDIT_TAKES_S = 120
SILENT_S = 15.0
_MOST_NAMED = 6
START = "If nothing was started: make run. Else look at REDIS_URL, MARKET_REDIS_URL and DATABASE_URL."


class Gravity(IntEnum):
    """DOWN: clients can't trade, or something may be lost. WARNING: somebody should act."""

    GOOD = 0
    NOTE = 1
    WARNING = 2
    DOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    gravity: Gravity
    what: str
    advice: str = ""


#: How the checks of readiness are called in a sentence.
NAMES = {
    "ledger": "the ledger",
    "market": "the market instance",
    "database": "PostgreSQL",
    "feed": "prices",
    "workers": "the workers",
}
#: Of each check of readiness: what its failure means, and what to do.
_CHECKS = {
    "ledger": (
        "The ledger (Redis) can't be reached: no order is taken. What was acknowledged is on its disk.",
        "Start it again; the sweeper compares it with the record, then opens it. Data gone: manage.py rebuild_book.",
    ),
    "market": (
        "The market instance (Redis) can't be reached: no prices, so no orders, and no worker can be seen.",
        "Start it again. Nothing in it has to survive: prices and heartbeats are back within seconds.",
    ),
    "database": (
        "PostgreSQL can't be reached: trading goes on and is not recorded; log-in, history and this admin are away.",
        "Start it again; the recorder catches up by itself. Until then: manage.py board, manage.py halt.",
    ),
    "feed": (
        "No instrument whose market is open has a current price: nothing is opened or closed.",
        "Look at market_feed and at where its prices come from.",
    ),
}
_WITHOUT = {
    "market_feed": "prices grow old, and old prices fill nothing",
    "pending_monitor": "no pending order, stop loss or take profit fires",
    "margin_monitor": "no margin call is given",
    "worker_record": "nothing is written to PostgreSQL",
    "sweeper": "what a crash left is not finished, and a ledger that restarts stays closed",
}


def headline(readings: Readings) -> Finding:
    """Whether trading works, in one sentence."""
    ready = readings.ready
    if _nothing_answers(ready):
        return Finding(Gravity.DOWN, "Nothing answers: no ledger, no market instance, no PostgreSQL.", START)
    if not ready.trading:
        return Finding(Gravity.DOWN, f"Trading does not work. Down: {_names(ready)}.")
    platform = [halt for halt in readings.halts if halt.scope == "platform"]
    if platform:
        gravity = Gravity.WARNING if platform[0].opens_only else Gravity.DOWN
        what = "Opening is halted everywhere; closing works." if platform[0].opens_only else "Trading is halted."
        return Finding(gravity, f"{what} {platform[0].reason}")
    worst = max((each.gravity for each in findings(readings)), default=Gravity.GOOD)
    if ready.down:
        return Finding(max(worst, Gravity.WARNING), f"Trading works. Down: {_names(ready)}.")
    if worst >= Gravity.WARNING:
        return Finding(worst, "Trading works. Something needs to be looked at.")
    closed = ready.checks.get("feed") is not None and ready.checks["feed"].facts.get("open") == 0
    return Finding(worst, "Everything is up. Every market is closed." if closed else "Trading works. Everything is up.")


def findings(readings: Readings) -> list[Finding]:
    parts = (of_readiness(readings.ready), _lost(readings), _record(readings), _dead_letters(readings))
    others = (_transfers(readings), _halts(readings), _quotes(readings), _audits(readings), _running(readings))
    return sorted((each for part in (*parts, *others) for each in part), key=lambda each: -each.gravity)


def of_readiness(ready: Readiness) -> Iterator[Finding]:
    if _nothing_answers(ready):
        yield Finding(Gravity.DOWN, "Nobody trades, and nobody can be told more.", START)
        return
    for name in ready.causes:
        check = ready.checks[name]
        gravity = Gravity.DOWN if name in TRADING_NEEDS else Gravity.WARNING
        if name == "workers":
            for worker in check.facts["missing"]:
                what = f"{worker} does not run: {_WITHOUT[worker]}."
                yield Finding(Gravity.WARNING, what, f"Start it: manage.py {worker}")
        elif name == "ledger" and not check.error:
            what = "The ledger restarted and is not compared with the record yet: no order is taken."
            yield Finding(gravity, what, "The sweeper does that within seconds; if not, its log says what it found.")
        else:
            yield Finding(gravity, *_CHECKS[name])


def span(seconds: float) -> str:
    """A duration for people: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min, 3 days."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return " ".join(part for part in (minutes and f"{minutes} min", rest and f"{rest} s") if part)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"


def in_words(halt: Halt) -> str:
    what = "opening" if halt.opens_only else "everything"
    until = f"until {clock.from_ms(halt.until_ms):%Y-%m-%d %H:%M} UTC" if halt.until_ms else "until lifted"
    return f"{halt.scope}: {what} is halted {until}: {halt.reason}"


def _lost(readings: Readings) -> Iterator[Finding]:
    if lost := readings.backlog.lost:
        what = f"{_count(lost, 'account')} of the record the ledger has lost, in whole or in part: {_named(lost)}."
        yield Finding(Gravity.DOWN, what, "Halt the platform, then: manage.py audit, rebuild_book, audit.")


def _record(readings: Readings) -> Iterator[Finding]:
    if readings.recorder_lag_s > LAG_S:
        what = f"The record is {span(readings.recorder_lag_s)} behind the book."
        yield Finding(
            Gravity.WARNING, what, "It catches up once PostgreSQL and worker_record are up; dead letters hold it up."
        )


def _dead_letters(readings: Readings) -> Iterator[Finding]:
    for queue in readings.queues:
        if queue.dead:
            letters = "1 dead letter" if queue.dead == 1 else f"{queue.dead} dead letters"
            what = f"{letters} of queue {queue.name}: an account that one names is not recorded any further."
            yield Finding(Gravity.WARNING, what, "Read the error, mend its cause, then retry.")


def _transfers(readings: Readings) -> Iterator[Finding]:
    for each in readings.backlog.under_way:
        if (age_ms := clock.to_ms(readings.at) - each.left_at_ms) > UNDER_WAY_MS:
            way = f"from {each.source} to {each.destination} for {span(age_ms / 1_000)}"
            what = f"{each.amount} are under way {way}, transfer {each.transfer_id}."
            yield Finding(Gravity.WARNING, what, "The sweeper finishes it: look whether that runs.")


def _halts(readings: Readings) -> Iterator[Finding]:
    if readings.halts:
        gravity = Gravity.WARNING if any(halt.scope == "platform" for halt in readings.halts) else Gravity.NOTE
        named = _named([f"{halt.scope} ({'opening' if halt.opens_only else 'everything'})" for halt in readings.halts])
        yield Finding(gravity, f"{_count(readings.halts, 'halt')} in force: {named}.")


def _quotes(readings: Readings) -> Iterator[Finding]:
    tradable = [quote for quote in readings.quotes if quote.tradable]
    old = [quote.symbol for quote in tradable if not quote.current]
    if old and len(old) < len(tradable):  # all of them: then the feed is down, and that is told
        what = f"{len(old)} of {len(tradable)} instruments that are open have no current price: {_named(old)}."
        yield Finding(Gravity.WARNING, what, "Orders in them are refused until the feed gives one.")


def _audits(readings: Readings) -> Iterator[Finding]:
    if "record" in readings.away:
        return
    if not readings.audits:
        yield Finding(Gravity.NOTE, "Book and record were never compared.", "The nightly audit does it, in Celery.")
    elif readings.audits[0].outcome != Outcome.CLEAN:
        gravity = Gravity.DOWN if readings.audits[0].outcome == Outcome.LOSS else Gravity.WARNING
        yield Finding(gravity, f"The last audit: {readings.audits[0].summary}.")
    if readings.audits and (age_s := (readings.at - readings.audits[0].at).total_seconds()) > AUDIT_EVERY_S:
        what = f"The last audit was {span(age_s)} ago."
        yield Finding(Gravity.WARNING, what, "The nightly audit runs in Celery: look whether that runs.")
    asked = readings.audit_asked_at
    if asked and (waited_s := (readings.at - asked).total_seconds()) > AUDIT_TAKES_S:
        what = f"An audit was asked for {span(waited_s)} ago and has not ended."
        yield Finding(Gravity.WARNING, what, "It runs in Celery: look whether that runs.")


def _running(readings: Readings) -> Iterator[Finding]:
    for process in readings.processes:
        if process.pid is None:
            yield Finding(
                Gravity.WARNING, f"The process {process.name} is down; started again {process.restarts} times."
            )
    for worker in readings.workers:
        if worker.silent_s > SILENT_S:
            yield Finding(Gravity.WARNING, f"{worker.name} ({worker.consumer}) is silent for {span(worker.silent_s)}.")
        elif worker.state == "waiting":
            yield Finding(Gravity.WARNING, f"{worker.name} ({worker.consumer}) waits for a server that is away.")


def _nothing_answers(ready: Readiness) -> bool:
    return {"ledger", "market", "database"} <= set(ready.down)


def _names(ready: Readiness) -> str:
    names = [NAMES[name] for name in ready.causes if name != "workers"]
    missing = ready.checks["workers"].facts["missing"] if "workers" in ready.causes else []
    return ", ".join([*names, *missing])


def _count(items: Sequence[object], what: str) -> str:
    return f"{len(items)} {what}" if len(items) == 1 else f"{len(items)} {what}s"


def _named(items: Sequence[object]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(map(str, items[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
