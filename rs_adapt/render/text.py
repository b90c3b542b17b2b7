"""A report as Markdown, and its tables of scores as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rs_adapt.render.document import Cell, Grid, Part

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "·": r"\textperiodcentered{}",
}
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def render_markdown(title: str, lead: Sequence[str], parts: Sequence[Part]) -> str:
    """All text and tables of the report; pictures are in the page only."""
    lines = [f"# {_plain(title)}", "", *(line for text in lead for line in (_plain(text), ""))]
    for part in parts:
        lines += _markdown(part, 2)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def render_latex(title: str, parts: Sequence[Part]) -> str:
    r"""The tables that go into a paper, with booktabs: `\usepackage{booktabs}` and T1 fonts; nothing else is needed."""
    lines = [
        f"% {_one_line(title)}",
        r"% Written by rs-adapt report. Needs \usepackage{booktabs} and \usepackage[T1]{fontenc}.",
        "",
    ]
    for part in parts:
        for number, grid in enumerate(grid for grid in part.grids if grid.paper):
            lines += [*_latex(grid, part, f"tab:{part.anchor}-{number + 1}"), ""]
    return "\n".join(lines)


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(char, char) for char in _one_line(text))


def escape_markdown(text: str) -> str:
    """Text that Markdown, also within a table, prints as it is."""
    return _MARKS.sub(r"\\\1", _one_line(text))


def _markdown(part: Part, level: int) -> Iterator[str]:
    if not (part.text or part.grids or any(inner.grids for inner in part.parts)):
        return
    yield from (f"{'#' * level} {_plain(part.title)}", "")
    for text in part.text:
        yield from (_plain(text), "")
    if part.figures or any(inner.figures for inner in part.parts):
        yield from ("The pictures are in index.html.", "")
    for grid in part.grids:
        if grid.title:
            yield from (f"{'#' * (level + 1)} {_plain(grid.title)}", "")
        yield _pipes([escape_markdown(name) or " " for name in grid.head])
        yield _pipes(["---" if number < grid.names else "---:" for number in range(len(grid.head))])
        yield from (_pipes([_markdown_cell(cell) for cell in row]) for row in grid.rows)
        yield ""
        yield from (f"- {_plain(note)}" for note in grid.notes)
        yield ""
    for inner in part.parts:
        yield from _markdown(inner, level + 1)


def _markdown_cell(cell: Cell) -> str:
    shown = escape_markdown(cell.text)
    shown = f"**{shown}**" if cell.bold else shown
    return f"{shown} {escape_markdown(cell.under)}" if cell.under else shown


def _latex(grid: Grid, part: Part, label: str) -> Iterator[str]:
    columns = "".join("l" if number < grid.names else "r" for number in range(len(grid.head)))
    yield r"\begin{table}"
    yield r"\centering"
    told = grid.title if grid.title.startswith(part.title) else f"{part.title}. {grid.title}"
    yield rf"\caption{{{escape_latex(told.rstrip('. '))}. {escape_latex(' '.join(grid.notes))}}}"
    yield rf"\label{{{label}}}"
    yield rf"\begin{{tabular}}{{{columns}}}"
    yield r"\toprule"
    yield _ampersands([escape_latex(name) for name in grid.head])
    yield r"\midrule"
    yield from (_ampersands([_latex_cell(cell) for cell in row]) for row in grid.rows)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _latex_cell(cell: Cell) -> str:
    shown = escape_latex(cell.text)
    shown = rf"\textbf{{{shown}}}" if cell.bold else shown
    # A row that begins with a bracket would be read as an argument of the row before.
    return rf"{shown} {{\scriptsize {escape_latex(cell.under)}}}" if cell.under else f"{{{shown}}}" * bool(shown)


def _ampersands(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    return escape_markdown(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
