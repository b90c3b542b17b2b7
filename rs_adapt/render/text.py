"""A document as Markdown, and its tables for a paper as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rs_adapt.render.document import Section, Table, TableCell

_LATEX_ESCAPES = {
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
    "\u2020": r"\textdagger{}",
}
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def render_markdown(title: str, lead: Sequence[str], sections: Sequence[Section], *, page: str = "") -> str:
    """Return all text and tables as Markdown.

    Args:
        title: First heading.
        lead: Paragraphs below it.
        sections: Content; figures are left out.
        page: Name of the HTML file that has the figures; sections with figures point to it. "" for none.
    """
    lines = [f"# {escape_markdown(title)}", "", *(line for text in lead for line in (escape_markdown(text), ""))]
    for section in sections:
        lines += _markdown_section(section, 2, page)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def render_latex(title: str, sections: Sequence[Section]) -> str:
    r"""Return the tables for a paper as LaTeX, which needs only `\usepackage{booktabs}` and T1 fonts."""
    lines = [
        f"% {_join_lines(title)}",
        r"% Written by rs-adapt report. Needs \usepackage{booktabs} and \usepackage[T1]{fontenc}.",
        "",
    ]
    for section in sections:
        for number, table in enumerate(table for table in section.tables if table.for_paper):
            lines += [*_latex_table(table, section, f"tab:{section.link}-{number + 1}"), ""]
    return "\n".join(lines)


def escape_latex(text: str) -> str:
    """Return the text in one line, with all characters escaped that LaTeX would interpret."""
    return "".join(_LATEX_ESCAPES.get(char, char) for char in _join_lines(text))


def escape_markdown(text: str) -> str:
    """Return the text in one line, with all characters escaped that Markdown, also within a table, would interpret."""
    return _MARKDOWN_SPECIAL.sub(r"\\\1", _join_lines(text))


def markdown_table(table: Table) -> list[str]:
    """Return the lines of a table in Markdown, without title and notes."""
    return [
        _markdown_row([escape_markdown(name) or " " for name in table.head]),
        _markdown_row(["---" if column < table.name_columns else "---:" for column in range(len(table.head))]),
        *(_markdown_row([_markdown_cell(cell) for cell in row]) for row in table.rows),
    ]


def _markdown_section(section: Section, level: int, page: str) -> Iterator[str]:
    if not (section.text or section.tables or any(inner.tables for inner in section.sections)):
        return
    if section.title:
        yield from (f"{'#' * level} {escape_markdown(section.title)}", "")
    for text in section.text:
        yield from (escape_markdown(text), "")
    if page and (section.figures or any(inner.figures for inner in section.sections)):
        yield from (f"The pictures are in {page}.", "")
    for table in section.tables:
        if table.title:
            yield from (f"{'#' * (level + 1)} {escape_markdown(table.title)}", "")
        yield from (*markdown_table(table), "")
        yield from (f"- {escape_markdown(note)}" for note in table.notes)
        yield ""
    for inner in section.sections:
        yield from _markdown_section(inner, level + 1, page)


def _markdown_cell(cell: TableCell) -> str:
    text = escape_markdown(cell.text)
    text = f"**{text}**" if cell.bold else text
    return f"{text} {escape_markdown(cell.note)}" if cell.note else text


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _latex_table(table: Table, section: Section, label: str) -> Iterator[str]:
    columns = "".join("l" if column < table.name_columns else "r" for column in range(len(table.head)))
    caption = table.title if table.title.startswith(section.title) else f"{section.title}. {table.title}"
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{escape_latex(caption.rstrip('. '))}. {escape_latex(' '.join(table.notes))}}}"
    yield rf"\label{{{label}}}"
    yield rf"\begin{{tabular}}{{{columns}}}"
    yield r"\toprule"
    yield _latex_row([escape_latex(name) for name in table.head])
    yield r"\midrule"
    yield from (_latex_row([_latex_cell(cell) for cell in row]) for row in table.rows)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _latex_cell(cell: TableCell) -> str:
    text = escape_latex(cell.text)
    text = rf"\textbf{{{text}}}" if cell.bold else text
    # A row that begins with a bracket would be read as an argument of the row before.
    return rf"{text} {{\scriptsize {escape_latex(cell.note)}}}" if cell.note else f"{{{text}}}" * bool(text)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _join_lines(text: str) -> str:
    return " ".join(text.split())
