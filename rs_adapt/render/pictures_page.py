"""A plain HTML page of pictures, tables and text: one file that needs no network and no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

_STYLE = """
body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: #fff; color: #222;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; padding-top: .5rem; border-top: 1px solid #ccc; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 48rem; }
.pictures { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(9.5rem, 45%), 1fr)); }
.pictures > figure { max-width: 13rem; }
.pictures.large { grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr)); }
.pictures.large > figure { max-width: 34rem; }
figure { margin: 0; }
img { display: block; width: 100%; height: auto; }
.squares img { image-rendering: pixelated; }
figcaption { font-size: .85rem; line-height: 1.35; padding-top: .25rem; }
figcaption span { display: block; color: #595959; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; margin: .5rem 0; list-style: none; }
.legend i { display: inline-block; width: .9em; height: .9em; margin-right: .4em; border: 1px solid #444;
  vertical-align: -.1em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { font-weight: 600; }
"""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG with what stands below it.

    Attributes:
        file: name of the file that holds the same PNG beside the page.
        png: the file's content.
        title: what it shows.
        note: numbers and scale, smaller, below the title.
    """

    file: str
    png: bytes
    title: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of text; the first row is the head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with, in this order, text, pictures, a legend and a table.

    Attributes:
        title: the heading.
        level: of the heading, 2 or 3.
        text: paragraphs.
        pictures: side by side as far as there is room.
        large: one or two pictures a row instead of several.
        squares: pixels of the pictures stay squares when they are enlarged.
        legend: names with [r, g, b] (0-255) and a note each.
        table: or None.
    """

    title: str
    level: Literal[2, 3] = 2
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    large: bool = False
    squares: bool = True
    legend: Sequence[tuple[str, Sequence[int], str]] = ()
    table: Table | None = None


def render_page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the page; all text is escaped, all pictures are inside."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *_paragraphs(lead),
    ]
    for section in sections:
        parts += _section(section)
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _section(section: Section) -> list[str]:
    parts = [f"<h{section.level}>{escape(section.title)}</h{section.level}>", *_paragraphs(section.text)]
    if section.pictures:
        names = "pictures" + (" large" if section.large else "") + (" squares" if section.squares else "")
        parts += [f'<div class="{names}">', *map(_figure, section.pictures), "</div>"]
    if section.legend:
        entries = [
            f'<li><i style="background:rgb({",".join(map(str, colour))})"></i>{escape(name)} {escape(note)}</li>'
            for name, colour, note in section.legend
        ]
        parts += ['<ul class="legend">', *entries, "</ul>"]
    if section.table is not None:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in section.table.head)
        rows = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in section.table.rows]
        parts += ['<div class="scroll"><table>', f"<tr>{head}</tr>", *rows, "</table></div>"]
    return parts


def _paragraphs(text: Sequence[str]) -> list[str]:
    return [f"<p>{escape(line)}</p>" for line in text]


def _figure(picture: Picture) -> str:
    content = base64.b64encode(picture.png).decode("ascii")
    note = f"<span>{escape(picture.note)}</span>" if picture.note else ""
    return (
        f'<figure><img alt="{escape(picture.title)}" src="data:image/png;base64,{content}">'
        f"<figcaption>{escape(picture.title)}{note}</figcaption></figure>"
    )
