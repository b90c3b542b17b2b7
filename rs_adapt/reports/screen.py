"""The report on the terminal: failures and the transfer matrix as tables, and sentences below them."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich import table as rich_table

from rs_adapt.render.document import Table
from rs_adapt.render.terminal import styled
from rs_adapt.reports.make import Report

_SHOWN = ("failed", "transfer", "gains")


def matrix_tables(report: Report) -> Iterator[rich_table.Table]:
    """Yield the tables of failed cells and of scores for the terminal."""
    for section in report.sections:
        if section.anchor in _SHOWN:
            yield from (_screen_table(table) for table in section.tables)


def summary_lines(report: Report) -> Iterator[str]:
    """Yield the sentences below the tables: the number of runs, and the reason for each bold score."""
    for section in report.sections:
        if section.anchor in ("failed", "summary"):
            yield from section.text
        if section.anchor == "transfer":
            yield from dict.fromkeys(note for table in section.tables for note in table.notes)


def _screen_table(table: Table) -> rich_table.Table:
    screen = rich_table.Table(title=table.title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for number, name in enumerate(table.head):
        is_text = all(row[number].value is None for row in table.rows)
        screen.add_column(name, justify="left" if is_text else "right")
    for row in table.rows:
        screen.add_row(*(styled(f"{cell.text} {cell.note}".strip(), "bold" if cell.bold else "") for cell in row))
    return screen
