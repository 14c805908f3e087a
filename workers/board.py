"""The board: one screen that says how everything is, or one line of it where there is no terminal."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from copytrading.kernel import decimals
from workers.readings import Reader, Readings

REFRESH_S = 1.0
PLAIN_EVERY_S = 10.0
_SILENT_S = 15.0
_OLD_QUOTE_S = 10.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessReading:
    name: str
    pid: int | None
    up_s: float
    restarts: int
    memory: int


class Sampler:
    """Takes readings in a thread of its own: a server that does not answer must not hold up who shows them."""

    def __init__(self) -> None:
        self.latest = Readings()
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
                self.latest = self._reader.take()
            except Exception:
                _log.exception("board_not_read")
            self._stop.wait(REFRESH_S)


def screen(readings: Readings, processes: Sequence[ProcessReading] = (), about: Iterable[str] = ()) -> RenderableType:
    """Everything, for a terminal."""
    header = Text(line(readings), style="bold")
    away = [Text(words, style="bold red") for words in readings.away]
    running = _processes(processes) if processes else _workers(readings)
    left = Group(_accounts(readings), _queues(readings), running)
    right = Group(_deals(readings), _quotes(readings))
    top = Panel(Group(header, *away, *(Text(words) for words in about)), title="copytrading")
    return Group(top, Columns([left, right]))


def line(readings: Readings) -> str:
    """The same in one line."""
    waiting = ", ".join(f"{queue.name} {queue.waiting} ({queue.oldest_s:.1f} s)" for queue in readings.queues)
    dead = sum(queue.dead for queue in readings.queues)
    freshest = min((quote.age_s for quote in readings.quotes), default=None)
    return " | ".join(
        (
            f"{readings.accounts_total} accounts",
            f"{readings.orders_open} open, {readings.orders_resting} resting",
            f"{readings.orders_per_s:.1f} orders/s, {readings.deals_per_s:.1f} deals/s",
            f"waiting: {waiting or 'nothing known'}",
            *([f"{dead} dead letters"] if dead else []),
            f"{len(readings.quotes)} instruments" + ("" if freshest is None else f", last tick {freshest:.1f} s ago"),
            *readings.away,
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


def _accounts(readings: Readings) -> Table:
    table = _table("Accounts", "account", ">balance", ">equity", ">level", ">orders")
    for each in readings.accounts:
        level = f"{Decimal(each.level):.2f} %" if each.level else "-"
        table.add_row(str(each.account), each.balance, each.equity or "-", level, str(each.open_orders))
    return table


def _queues(readings: Readings) -> Table:
    table = _table("Queues", "queue", ">waiting", ">oldest", ">dead")
    for each in readings.queues:
        style = "red" if each.dead else ""
        table.add_row(each.name, str(each.waiting), f"{each.oldest_s:.1f} s", str(each.dead), style=style)
    return table


def _processes(processes: Sequence[ProcessReading]) -> Table:
    table = _table("Processes", "process", ">pid", ">up", ">restarts", ">memory")
    for each in processes:
        style = "" if each.pid else "red"
        memory = f"{each.memory / 1_000_000:.0f} MB"
        table.add_row(each.name, str(each.pid or "down"), _span(each.up_s), str(each.restarts), memory, style=style)
    return table


def _workers(readings: Readings) -> Table:
    table = _table("Workers", "worker", ">heard", ">lag")
    for each in readings.workers:
        style = "red" if each.silent_s > _SILENT_S else ""
        table.add_row(each.name, f"{each.silent_s:.0f} s ago", each.lag or "-", style=style)
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
    rows = [(each.symbol, each.bid, each.ask, _age(each.age_s)) for each in readings.quotes]
    half = (len(rows) + 1) // 2
    for place in range(half):
        table.add_row(*rows[place], *(rows[place + half] if place + half < len(rows) else ()))
    return table


def _table(title: str, *columns: str) -> Table:
    """A column whose name begins with ">" is aligned to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    return table


def _age(seconds: float) -> str:
    return f"[red]{_span(seconds)}[/]" if seconds > _OLD_QUOTE_S else f"{seconds:.1f} s"


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
