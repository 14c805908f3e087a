"""The board: one screen that says how everything is, or one line of it where there is no terminal."""

import threading
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import structlog
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from copytrading.kernel import clock, decimals
from orders.audit import Outcome
from orders.readiness import AWAY
from workers.findings import SILENT_S, Finding, Gravity, findings, headline, in_words, span
from workers.readings import ProcessReading, Reader, Readings, tell_processes

REFRESH_S = 1.0
PLAIN_EVERY_S = 10.0
_OLD_READINGS_S = 5.0
_MOST_FINDINGS = 6
_LONGEST_VALUE = 48  # so that two columns fit on a terminal of 140
_COLOURS = {Gravity.GOOD: "green", Gravity.NOTE: "green", Gravity.WARNING: "yellow", Gravity.DOWN: "red"}
_log = structlog.get_logger(__name__)

Processes = Callable[[], Sequence[ProcessReading]]


class Sampler:
    """Takes readings in a thread of its own: a server that does not answer must not hold up who shows them.

    A supervisor gives its `processes`, which are then shown here and told to whoever looks from elsewhere.
    """

    def __init__(self, processes: Processes | None = None) -> None:
        self.latest: Readings | None = None
        self._processes = processes
        self._reader = Reader()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.latest = self._sample()
            except Exception:
                _log.exception("board_not_read")
            self._stop.wait(REFRESH_S)

    def _sample(self) -> Readings:
        readings = self._reader.take()
        if self._processes is not None:
            readings.processes = self._processes()
            try:
                tell_processes(readings.processes)
            except AWAY as error:
                readings.away.setdefault("market", f"the market instance is away: {error}")
        return readings


def screen(readings: Readings | None, about: Iterable[str] = ()) -> RenderableType:
    """Everything, for a terminal of any width."""
    if readings is None:
        return Panel("Reading ...", title="copytrading")
    running = (_workers(readings), _processes(readings)) if readings.processes else (_workers(readings),)
    left = _apart(_record(readings), *running)
    right = _apart(_quotes(readings), _accounts(readings), _deals(readings))
    return Group(_top(readings, about), Columns([left, right], padding=(0, 3)))


def line(readings: Readings | None) -> str:
    """The same in one line."""
    if readings is None:
        return "Reading ..."
    waiting = ", ".join(f"{queue.name} {queue.waiting} ({span(queue.oldest_s)})" for queue in readings.queues)
    freshest = min((quote.age_s for quote in readings.quotes if quote.age_s is not None), default=None)
    return " | ".join(
        (
            headline(readings).what,
            _activity(readings),
            f"waiting: {waiting or 'nothing known'}",
            f"record {span(readings.recorder_lag_s)} behind",
            *([f"{readings.dead} dead letters"] if readings.dead else []),
            *([f"{len(readings.halts)} halts"] if readings.halts else []),
            f"{len(readings.quotes)} instruments" + ("" if freshest is None else f", last tick {span(freshest)} ago"),
            *readings.away.values(),
        )
    )


def show(
    console: Console, wait: Callable[[float], bool], screen: Callable[[], RenderableType], line: Callable[[], str]
) -> None:
    """Until `wait` says that it is time to stop: a live screen on a terminal, else a line now and then."""
    if not console.is_terminal:
        while not wait(PLAIN_EVERY_S):
            console.print(line())
        return
    with Live(screen(), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not wait(REFRESH_S):
            live.update(screen(), refresh=True)


def _top(readings: Readings, about: Iterable[str]) -> Panel:
    told, found = headline(readings), findings(readings)
    lines = [_finding(told, "bold "), Text(_activity(readings))]
    lines += [Text(words, style="bold red") for words in readings.away.values()]
    lines += [_finding(each) for each in found[:_MOST_FINDINGS]]
    if len(found) > _MOST_FINDINGS:
        lines.append(Text(f"and {len(found) - _MOST_FINDINGS} more: see /admin/operations/", style="bold"))
    age_s = (clock.now() - readings.at).total_seconds()
    read = f"read {span(age_s)} ago" if age_s > _OLD_READINGS_S else f"{readings.at:%H:%M:%S} UTC"
    lines += [Text(words) for words in about]
    for each in lines:  # whatever the console does with long lines: what to do stands at their end
        each.no_wrap, each.overflow = False, "fold"
    return Panel(Group(*lines), title="copytrading", subtitle=read)


def _finding(found: Finding, style: str = "") -> Text:
    mark = "" if style else {Gravity.DOWN: "!! ", Gravity.WARNING: "! "}.get(found.gravity, "- ")
    return Text.assemble((mark + found.what, style + _COLOURS[found.gravity]), (f" {found.advice}", "dim"))


def _activity(readings: Readings) -> str:
    orders = f"{readings.orders_open} open, {readings.orders_resting} resting"
    rates = f"{readings.orders_per_s:.1f} orders/s, {readings.deals_per_s:.1f} deals/s"
    return f"{readings.accounts_total} accounts | {orders} | {rates}"


def _record(readings: Readings) -> Table:
    """How the record and the book stand to each other, and what is stopped."""
    table = _table("Book and record", "", "")
    table.columns[1].no_wrap, table.columns[1].max_width = False, _LONGEST_VALUE
    backlog = readings.backlog
    lag = f"{span(readings.recorder_lag_s)} behind, {backlog.behind} of {backlog.accounts} accounts"
    up_to_date = "unknown" if "ledger" in readings.away else f"up to date, {backlog.accounts} accounts"
    table.add_row("recorder", lag if readings.recorder_lag_s else up_to_date)
    for each in readings.queues:
        waiting = f"{each.waiting} waiting, oldest {span(each.oldest_s)}" if each.waiting else "nothing waiting"
        told = f"{waiting}, {each.dead} dead letters"
        table.add_row(f"queue {each.name}", told, style="red" if each.dead else "")
    table.add_row("transfers", f"{len(backlog.under_way)} under way")
    audit = readings.audits[0] if readings.audits else None
    ago = f", {span((readings.at - audit.at).total_seconds())} ago" if audit else ""
    table.add_row("last audit", f"{Outcome(audit.outcome).name.lower()}{ago}" if audit else "never")
    for halt in readings.halts:
        table.add_row("halted", escape(in_words(halt)), style="yellow")
    if not readings.halts:
        table.add_row("halted", "unknown" if "ledger" in readings.away else "nothing")
    return table


def _processes(readings: Readings) -> Table:
    table = _table("Processes", "process", ">pid", ">up", ">restarts", ">memory")
    for each in readings.processes:
        style = "" if each.pid else "red"
        memory = f"{each.memory / 1_000_000:.0f} MB"
        table.add_row(each.name, str(each.pid or "down"), span(each.up_s), str(each.restarts), memory, style=style)
    return table


def _workers(readings: Readings) -> Table:
    table = _table("Workers", "worker", ">heard", "state", "tells")
    for each in readings.workers:
        style = "red" if each.silent_s > SILENT_S else "yellow" if each.state == "waiting" else ""
        table.add_row(each.name, f"{each.silent_s:.0f} s ago", each.state, each.told, style=style)
    for name in readings.missing_workers:
        table.add_row(name, "-", "missing", "", style="red")
    return table


def _accounts(readings: Readings) -> Table:
    table = _table("Accounts", "account", ">balance", ">equity", ">level", ">orders")
    for each in readings.accounts:
        level = f"{Decimal(each.level):.2f} %" if each.level else "-"
        table.add_row(str(each.account), each.balance, each.equity or "-", level, str(each.open_orders))
    return table


def _deals(readings: Readings) -> Table:
    table = _table("Last deals", "time", "account", "deal", ">lots", "symbol", ">price", ">profit")
    for each in readings.deals:
        profit = f"{each.profit:.2f}" if each.entry == "out" else ""
        deal, at = f"{each.side} {each.entry}", f"{each.at:%H:%M:%S}"
        table.add_row(at, each.account, deal, decimals.text(each.lots), each.symbol, decimals.text(each.price), profit)
    return table


def _quotes(readings: Readings) -> Table:
    table = _table("Quotes", *("symbol", ">bid", ">ask", ">age") * 2)
    rows = [
        (each.symbol, each.bid, each.ask, _age(each.age_s, each.tradable, each.current)) for each in readings.quotes
    ]
    half = (len(rows) + 1) // 2
    for place in range(half):
        table.add_row(*rows[place], *(rows[place + half] if place + half < len(rows) else ()))
    return table


def _apart(*tables: Table) -> Group:
    return Group(*(Padding(table, (0, 0, 1, 0)) for table in tables))


def _table(title: str, *columns: str) -> Table:
    """A column whose name begins with ">" is aligned to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.title_style, table.header_style = "bold cyan", "dim"
    table.show_header = any(columns)
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    return table


def _age(seconds: float | None, tradable: bool, current: bool) -> str:
    if not tradable:
        return "[dim]closed[/]"
    # To the minute: the table stays narrow.
    age = "never" if seconds is None else span(seconds if seconds < 60 else seconds // 60 * 60)
    return age if current else f"[red]{age}[/]"
