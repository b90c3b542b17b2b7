"""What a report is made of, before it is HTML, Markdown or LaTeX: parts with text, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STAR = "* chosen with target labels, so not a result of adaptation."


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what is shown.
        value: what the column is sorted by; None sorts by the text.
        under: smaller, below or behind the text.
        bold: the best one of its column.
        heat: from 0 to 1, for a coloured ground; None without.
    """

    text: str
    value: float | None = None
    under: str = ""
    bold: bool = False
    heat: float | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table.

    Attributes:
        title: above it.
        head: names of the columns.
        rows: as many cells each.
        names: how many columns at the left are names, not numbers.
        notes: sentences below it.
        paper: it goes into the LaTeX file too.
        sorts: a reader may sort it.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int = 1
    notes: Sequence[str] = ()
    paper: bool = False
    sorts: bool = True


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture: `svg`, or the bytes of a PNG or JPEG.

    `keys` are entries of a legend: name, number of the colour (-1: none), dashed. `wide` takes a whole row.
    """

    alt: str
    caption: str = ""
    svg: str = ""
    png: bytes = b""
    keys: Sequence[tuple[str, int, bool]] = ()
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section: heading, then text, tables and figures; then parts within it.

    Attributes:
        anchor: name of the section in links.
        title: heading.
        text: paragraphs.
        grids: tables.
        figures: pictures, side by side as far as there is room.
        parts: sections within it.
        folded: closed until it is opened.
        alarm: it tells of something that went wrong.
    """

    anchor: str
    title: str
    text: Sequence[str] = ()
    grids: Sequence[Grid] = ()
    figures: Sequence[Figure] = ()
    parts: Sequence[Part] = ()
    folded: bool = False
    alarm: bool = False


def text(words: object) -> Cell:
    """A cell of words; a dash where there are none."""
    shown = "" if words is None else str(words)
    return Cell(text=shown or "-")


def score(value: float | None, *, under: str = "", bold: bool = False, digits: int = 1, sign: str = "") -> Cell:
    """A cell with a number of `digits` decimals; a dash where there is none."""
    if value is None:
        return Cell(text=number(None), under=under)
    return Cell(text=f"{value:{sign}.{digits}f}", value=value, under=under, bold=bold)


def spelled(name: str) -> str:
    """A name as people type it, with `-`."""
    return name.replace("_", "-")


def listed(words: Sequence[str]) -> str:
    """Words with commas, and an `and` before the last."""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def number(value: float | None) -> str:
    """Two decimals, or a dash where there is no value."""
    return "-" if value is None else f"{value:.2f}"
