"""Tables below the fields of a page, or on the first page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

Row = Sequence[str | SafeString | int]


@dataclass(frozen=True, slots=True)
class Panel:
    """A column whose name begins with ">" holds figures. `empty` says what would be here."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    empty: str
    note: str = ""
    more: str = ""

    @property
    def headers(self) -> Iterator[tuple[str, bool]]:
        return ((column.lstrip(">"), column.startswith(">")) for column in self.columns)

    @property
    def lines(self) -> Iterator[list[tuple[Any, bool]]]:
        figures = [column.startswith(">") for column in self.columns]
        return (list(zip(row, figures, strict=True)) for row in self.rows)
