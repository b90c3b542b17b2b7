"""What `rs-adapt report` prints: the transfer matrix, and what failed."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rs_adapt.render.document import Grid
from rs_adapt.reports.make import Report


def matrix_tables(report: Report) -> Iterator[Table]:
    """The tables of cells without a result and of scores."""
    for part in report.parts:
        if part.anchor in ("failed", "transfer"):
            yield from (_table(grid) for grid in part.grids)


def lines(report: Report) -> Iterator[str]:
    """Sentences below the tables: what is bold, and how many runs there are."""
    for part in report.parts:
        if part.anchor in ("failed", "summary"):
            yield from part.text
        if part.anchor == "transfer":
            yield from dict.fromkeys(note for grid in part.grids for note in grid.notes)


def _table(grid: Grid) -> Table:
    table = Table(title=escape(grid.title), title_justify="left", box=box.SIMPLE, pad_edge=False)
    for number, name in enumerate(grid.head):
        words = all(row[number].value is None for row in grid.rows)
        table.add_column(escape(name), justify="left" if words else "right")
    for row in grid.rows:
        # Text takes a bracket in a name for no markup.
        table.add_row(*(Text(f"{cell.text} {cell.under}".strip(), style="bold" if cell.bold else "") for cell in row))
    return table
