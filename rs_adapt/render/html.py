"""A document as one HTML page that needs no network and no other file.

The page comes from `templates/page.html` (Jinja2, autoescaped): every text of a run, a bench or an error is escaped.
The only markup that passes unescaped is the SVG of `render.svg`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rs_adapt.render.document import Figure, Section, Table, TableCell
from rs_adapt.render.svg import NUM_COLOURS

# Cells with more characters may wrap, and get a wider column.
_LONG, _LONGER = 34, 90


def render_html(title: str, lead: Sequence[str], sections: Sequence[Section], *, generator: str) -> str:
    """Return a page with the title, the lead, links to the sections, and the sections.

    Args:
        title: Title and first heading.
        lead: Paragraphs below it.
        sections: Content of the page.
        generator: The command that made the page, such as "rs-adapt report"; written into the page's head.
    """
    template = _environment().get_template("page.html")
    return template.render(title=title, lead=lead, sections=sections, generator=generator) + "\n"


def render_svg_file(svg: str) -> str:
    """Return the content of a stand-alone SVG file with a plot of `render.svg` and the style that pages provide."""
    opening, _, rest = svg.partition(">")
    opening = opening.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return _environment().get_template("plot.svg").render(opening=f"{opening}>", rest=rest) + "\n"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        cell_classes=_cell_classes,
        has_heat=_has_heat,
        image_source=_image_source,
        is_text_column=_is_text_column,
        num_colours=NUM_COLOURS,
    )
    return environment


def _is_text_column(table: Table, column: int) -> bool:
    """Whether a column holds text: no cell of it has a number, and at least one cell is not a dash."""
    cells = [row[column] for row in table.rows]
    if column == 0 or not cells:
        return True
    return all(cell.value is None and cell.heat is None for cell in cells) and any(cell.text != "-" for cell in cells)


def _has_heat(table: Table) -> bool:
    return any(cell.heat is not None for row in table.rows for cell in row)


def _cell_classes(table: Table, column: int, cell: TableCell) -> str:
    """Return the CSS classes of a cell, separated by blanks."""
    if cell.heat is not None:
        return "heat"
    num_chars = max(len(cell.text), len(cell.note))
    classes = {
        "w": _is_text_column(table, column),
        "long": num_chars > _LONG,
        "longer": num_chars > _LONGER,
        "best": cell.bold,
    }
    return " ".join(name for name, applies in classes.items() if applies)


def _image_source(figure: Figure) -> str:
    """Return the figure's image as a `data:` address."""
    kind = "jpeg" if figure.image.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(figure.image).decode('ascii')}"
