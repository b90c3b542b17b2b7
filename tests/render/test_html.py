"""The HTML page: whole in itself, and safe to fill with any text."""

from __future__ import annotations

import base64
import re

import pytest
from jinja2 import UndefinedError

from rs_adapt.render.document import Figure, LegendEntry, Section, Table, TableCell, iter_figures, text_table
from rs_adapt.render.html import render_html

INNER = Section(
    title="A & B",
    text=["a < b"],
    figures=[Figure(alt='"quoted"', caption='"quoted"', note="<note>", image=b"content", file="x.png", pixelated=True)],
    figure_width="small",
    legend=[LegendEntry(label="<road>", colour=(1, 2, 3), note="5 %")],
    tables=[text_table("", [["<h>"], ["<c>"]])],
)
OUTER = Section(title="<Outer>", sections=[INNER])


def render(*sections: Section) -> str:
    return render_html("<title>", ["<script>alert(1)</script>"], sections, generator="rs-adapt test")


def test_text_is_escaped_and_pictures_are_inside() -> None:
    page = render(OUTER)
    # The page's own script is the only one.
    assert page.count("<script") == 1
    assert "<script>alert" not in page
    for shown in ("<title>&lt;title&gt;</title>", "<h3>A &amp; B</h3>", "<p>a &lt; b</p>", 'alt="&#34;quoted&#34;"'):
        assert shown in page
    for shown in ("<span>&lt;note&gt;</span>", "rgb(1,2,3)", "&lt;road&gt; 5 %", "&lt;h&gt;</th>", "&lt;c&gt;</th>"):
        assert shown in page
    assert f'src="data:image/png;base64,{base64.b64encode(b"content").decode()}"' in page
    assert "http:" not in page
    assert "https:" not in page


def test_cells_carry_their_value_and_classes() -> None:
    row = [
        TableCell(text="name"),
        TableCell(text="1.5", value=1.5, bold=True, note="<n>"),
        TableCell(text="50", heat=0.5),
        TableCell(text="-"),
        TableCell(text="word " * 20),
    ]
    page = render(Section(title="t", tables=[Table(title="T", head=["a", "b", "c", "d", "e"], rows=[row, row])]))
    assert page.count('<th scope="row" class="w">name</th>') == 2
    assert '<td class="best" data-v="1.5">1.5<span class="under">&lt;n&gt;</span></td>' in page
    assert '<td class="heat" style="--s:0.500">50</td>' in page
    assert "<td>-</td>" in page
    assert re.search(r'<td class="w long longer">(word )+</td>', page)
    assert page.count('<button type="button">') == 5


def test_a_table_of_one_row_or_of_texts_does_not_sort() -> None:
    one = Table(title="", head=["a"], rows=[[TableCell(text="x")]])
    texts = text_table("", [["a"], ["x"], ["y"]])
    assert "<button" not in render(Section(title="t", tables=[one, texts]))


def test_nested_sections_fold_and_have_anchors_of_their_own() -> None:
    nested = Section(title="Inner part", folded=True, text=["x"])
    page = render(Section(title="First", sections=[nested]), Section(title="Second", folded=True, alarm=True))
    assert '<details id="inner-part"><summary>Inner part</summary>' in page
    assert '<section id="second" class="alarm"><h2>Second</h2>' in page
    assert page.count("<details") == page.count("</details>") == 2
    assert page.count("<section") == page.count("</section>") == 2
    assert '<a href="#first">First</a>' in page
    # A single section needs no list of links.
    assert "<nav" not in render(OUTER)


def test_figures_of_nested_sections_are_found() -> None:
    assert [figure.file for figure in iter_figures([OUTER, INNER])] == ["x.png", "x.png"]


def test_svg_is_embedded_and_jpeg_distinguished_from_png() -> None:
    figures = [Figure(alt="a", svg="<svg><path/></svg>"), Figure(alt="b", image=b"\xff\xd8rest", wide=True)]
    page = render(Section(title="t", figures=figures))
    assert "<svg><path/></svg>" in page
    assert "data:image/jpeg;base64," in page
    assert '<figure class="wide">' in page


def test_a_template_does_not_hide_a_missing_value() -> None:
    with pytest.raises(UndefinedError):
        render(object())  # type: ignore[arg-type]
