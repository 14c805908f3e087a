"""What a benchmark says: what was measured, beside a limit that was measured in the same run on the same machine."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is what is to be compared from machine to machine; `aim` says what it should be, "" for a figure only."""

    name: str
    what: str
    measured: float
    unit: str
    limit: float
    limit_name: str
    ratio: float
    aim: str


def show(rows: Iterable[Row]) -> None:
    table = Table(*(field.name.replace("_", " ") for field in fields(Row)))
    for row in rows:
        table.add_row(*(_text(value) for value in astuple(row)))
    Console(width=160).print(table)


def _text(value: object) -> str:
    if not isinstance(value, float | int):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
