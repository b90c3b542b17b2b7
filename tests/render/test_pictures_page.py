"""The page: whole in itself, and safe to fill with any text."""

from __future__ import annotations

import base64

from rs_adapt.render.pictures_page import Picture, Section, Table, render_page


def test_text_is_escaped_and_pictures_are_inside() -> None:
    section = Section(
        title="A & B",
        level=3,
        text=["a < b"],
        pictures=[Picture(file="x.png", png=b"content", title='"quoted"', note="<note>")],
        legend=[("<road>", [1, 2, 3], "5 %")],
        table=Table(head=["<h>"], rows=[["<c>"]]),
    )
    page = render_page("<title>", ["<script>alert(1)</script>"], [section])
    assert "<script" not in page
    for shown in ("<title>&lt;title&gt;</title>", "<h3>A &amp; B</h3>", "<p>a &lt; b</p>", 'alt="&quot;quoted&quot;"'):
        assert shown in page
    for shown in (
        "<span>&lt;note&gt;</span>",
        "rgb(1,2,3)",
        "&lt;road&gt; 5 %",
        "<th>&lt;h&gt;</th>",
        "<td>&lt;c&gt;</td>",
    ):
        assert shown in page
    assert f'src="data:image/png;base64,{base64.b64encode(b"content").decode()}"' in page
    assert "http" not in page
