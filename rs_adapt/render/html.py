"""A report as one HTML page that needs no network and no other file; all text is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape

from rs_adapt.render.document import Cell, Figure, Grid, Part
from rs_adapt.render.style import SCRIPT, STYLE
from rs_adapt.render.svg import COLOURS

# Whatever a file of a run says, the page loads nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
GENERATOR = "rs-adapt report"
# Characters of a cell that may stand in one line, and in a narrow column.
_LONG, _LONGER = 34, 90


def render_html(title: str, lead: Sequence[str], parts: Sequence[Part]) -> str:
    """Return the page: title, lead, links to the parts, parts."""
    links = "".join(f'<li><a href="#{escape(part.anchor)}">{escape(part.title)}</a></li>' for part in parts)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="{GENERATOR}"><link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            f"<header><h1>{escape(title)}</h1>",
            *(f'<p class="lead">{escape(line)}</p>' for line in lead),
            f'</header><nav aria-label="Parts of this report"><ul>{links}</ul></nav><main>',
            *(text for part in parts for text in _part(part, 2)),
            f"</main><script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def _part(part: Part, level: int) -> Iterator[str]:
    name = f'id="{escape(part.anchor)}"'
    if part.folded and level > 2:
        yield f"<details {name}><summary>{escape(part.title)}</summary>"
    else:
        alarm = ' class="alarm"' if part.alarm else ""
        yield f"<section {name}{alarm}><h{level}>{escape(part.title)}</h{level}>"
    yield from (f"<p>{escape(line)}</p>" for line in part.text)
    fold = part.folded and level == 2
    if fold:
        yield "<details><summary>Show</summary>"
    for grid in part.grids:
        yield from _grid(grid, part.title)
    if part.figures:
        yield f'<div class="pictures">{"".join(map(_figure, part.figures))}</div>'
    for inner in part.parts:
        yield from _part(inner, level + 1)
    if fold:
        yield "</details>"
    yield "</details>" if part.folded and level > 2 else "</section>"


def _grid(grid: Grid, part: str) -> Iterator[str]:
    if grid.title:
        yield f"<h3>{escape(grid.title)}</h3>"
    # It can be reached and scrolled by keyboard.
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(grid.title or part)}">'
    shaded = any(cell.heat is not None for row in grid.rows for cell in row)
    yield f"<table{_class(['matrix'] if shaded else [])}><thead><tr>"
    for number, name in enumerate(grid.head):
        shown = f'<button type="button">{escape(name)}</button>' if grid.sorts and len(grid.rows) > 1 else escape(name)
        words = ' class="w"' if _is_words(grid, number) else ""
        yield f'<th scope="col"{words}>{shown}</th>'
    yield "</tr></thead><tbody>"
    for row in grid.rows:
        yield "<tr>" + "".join(_cell(grid, number, cell) for number, cell in enumerate(row)) + "</tr>"
    yield "</tbody></table></div>"
    yield from (f'<p class="note">{escape(note)}</p>' for note in grid.notes)


def _cell(grid: Grid, number: int, cell: Cell) -> str:
    value = "" if cell.value is None else f' data-v="{cell.value:.10g}"'
    under = f'<span class="under">{escape(cell.under)}</span>' if cell.under else ""
    shown = f"{escape(cell.text)}{under}"
    size = max(len(cell.text), len(cell.under))
    long = size > _LONG
    if number == 0:
        return f'<th scope="row" class="w{" long" if long else ""}"{value}>{shown}</th>'
    if cell.heat is not None:
        return f'<td class="heat" style="--s:{cell.heat:.3f}"{value}>{shown}</td>'
    given = {"w": _is_words(grid, number), "long": long, "longer": size > _LONGER, "best": cell.bold}
    names = [name for name, is_so in given.items() if is_so]
    return f"<td{_class(names)}{value}>{shown}</td>"


def _is_words(grid: Grid, number: int) -> bool:
    """Whether a column holds words: no cell of it has a number, and one has more than a dash."""
    cells = [row[number] for row in grid.rows]
    if number == 0 or not cells:
        return True
    return all(cell.value is None and cell.heat is None for cell in cells) and any(cell.text != "-" for cell in cells)


def _class(names: Sequence[str]) -> str:
    return f' class="{" ".join(names)}"' if names else ""


def _figure(figure: Figure) -> str:
    if figure.svg:
        picture = figure.svg
    else:
        content = base64.b64encode(figure.png).decode("ascii")
        kind = "jpeg" if figure.png.startswith(b"\xff\xd8") else "png"
        picture = f'<img alt="{escape(figure.alt)}" src="data:image/{kind};base64,{content}">'
    keys = "".join(f"<li>{_swatch(colour, dashed)}{escape(name)}</li>" for name, colour, dashed in figure.keys)
    legend = f'<ul class="keys">{keys}</ul>' if keys else ""
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<figure{_class(['wide'] if figure.wide else [])}>{picture}{legend}{caption}</figure>"


def _swatch(colour: int, dashed: bool) -> str:
    if colour < 0:
        return ""
    style = ' style="border-top-style:dashed"' if dashed else ""
    return f'<i class="s{colour % COLOURS}"{style}></i>'
