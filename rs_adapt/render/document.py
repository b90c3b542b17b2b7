"""A document before it is HTML, Markdown or LaTeX: sections with text, figures and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

STAR = "* chosen with target labels, so not a result of adaptation."

# The number of a plot colour (see `render.svg`), or an RGB colour of a map (0 to 255); None for no swatch.
LegendColour = int | tuple[int, int, int] | None


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """One cell of a table.

    Attributes:
        text: The content.
        value: The number that the column is sorted by; None sorts by the text.
        note: Small print below or behind the text.
        bold: The cell holds the best value of its column.
        heat: Strength of the coloured background, 0 to 1; None for a plain background.
    """

    text: str
    value: float | None = None
    note: str = ""
    bold: bool = False
    heat: float | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        title: Heading above the table; "" for none.
        head: Names of the columns.
        rows: Rows with one cell for each column.
        name_columns: Number of leading columns that hold names rather than numbers.
        notes: Sentences below the table.
        for_paper: The table is also written to the LaTeX file.
        sortable: The reader may sort the table by a click on a column.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[TableCell]]
    name_columns: int = 1
    notes: Sequence[str] = ()
    for_paper: bool = False
    sortable: bool = True


@dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """One entry of a legend.

    Attributes:
        label: Name of the line or class.
        colour: Colour of the swatch.
        dashed: The line is dashed.
        note: Text behind the label.
    """

    label: str
    colour: LegendColour = None
    dashed: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture: either inline SVG or the bytes of a PNG or JPEG file.

    Attributes:
        alt: Description for screen readers.
        caption: Text below the picture.
        note: Small print below the caption.
        svg: The picture as SVG markup, already escaped.
        image: The picture as the content of a PNG or JPEG file.
        legend: Entries between picture and caption.
        wide: The picture takes a whole row.
        pixelated: Enlarged pixels stay squares.
        file: Name of the file beside the page that holds the same image; "" for none.
    """

    alt: str
    caption: str = ""
    note: str = ""
    svg: str = ""
    image: bytes = b""
    legend: Sequence[LegendEntry] = ()
    wide: bool = False
    pixelated: bool = False
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading followed by text, figures, a legend, tables and nested sections, in this order.

    Attributes:
        title: The heading.
        anchor: Name of the section in links; "" derives it from the title.
        text: Paragraphs.
        figures: Pictures, side by side as far as there is room.
        figure_width: Width that a picture gets where there is room for several.
        legend: Legend that all figures share.
        tables: Tables.
        sections: Nested sections.
        folded: The section is closed until the reader opens it.
        alarm: The section reports something that went wrong.
    """

    title: str
    anchor: str = ""
    text: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    figure_width: Literal["small", "medium", "large"] = "large"
    legend: Sequence[LegendEntry] = ()
    tables: Sequence[Table] = ()
    sections: Sequence[Section] = ()
    folded: bool = False
    alarm: bool = False

    @property
    def link(self) -> str:
        """The anchor, or one derived from the title: lower-case letters, digits and hyphens."""
        return self.anchor or re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def iter_figures(sections: Sequence[Section]) -> Iterator[Figure]:
    """Yield the figures of all sections, nested ones included, in the order of the page."""
    for section in sections:
        yield from section.figures
        yield from iter_figures(section.sections)


def text_table(title: str, rows: Sequence[Sequence[str]]) -> Table:
    """Return a table of plain texts, not sortable; the first row is the head. Texts that are numbers get a value."""
    head, *body = rows
    cells = [[TableCell(text=text, value=_parse_number(text)) for text in row] for row in body]
    return Table(title=title, head=head, rows=cells, sortable=False)


def text_cell(content: object) -> TableCell:
    """Return a cell with the content as text; a dash for None and for an empty text."""
    text = "" if content is None else str(content)
    return TableCell(text=text or "-")


def score_cell(
    value: float | None, *, note: str = "", bold: bool = False, digits: int = 1, sign: str = ""
) -> TableCell:
    """Return a cell with a number of `digits` decimals; a dash for None. `sign="+"` also shows the plus sign."""
    if value is None:
        return TableCell(text=format_score(None), note=note)
    return TableCell(text=f"{value:{sign}.{digits}f}", value=value, note=note, bold=bold)


def hyphenate(name: str) -> str:
    """Return a name as users type it, with `-` in place of `_`."""
    return name.replace("_", "-")


def join_words(words: Sequence[str]) -> str:
    """Return the words separated by commas, with "and" before the last."""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def format_score(value: float | None) -> str:
    """Return the value with two decimals; a dash for None."""
    return "-" if value is None else f"{value:.2f}"


def format_interval(low: float | None, high: float | None, *, digits: int = 2, sign: str = "") -> str:
    """Return an interval such as `[57.01, 74.76]`; a dash where there is none. `sign="+"` also shows plus signs."""
    return "-" if low is None or high is None else f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def format_count(count: float) -> str:
    """Return a whole number with a blank between groups of three digits."""
    return f"{count:,.0f}".replace(",", " ")


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
