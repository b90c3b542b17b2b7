"""Tables as CSV text that spreadsheets show as it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from rs_adapt.render.plain_text import printable_line

# Spreadsheets take a cell that begins with one of these for a formula, which may start programs or send data.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV, with line feeds; None is empty.

    Texts that a spreadsheet would compute have an apostrophe before them, by which it shows them as they are. Numbers
    stay numbers, those in texts too.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    plain = printable_line(value)
    return f"'{plain}" if plain.startswith(_FORMULA) and not _is_number(plain) else plain


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
