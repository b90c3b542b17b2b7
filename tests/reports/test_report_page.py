"""The page, Markdown, LaTeX and CSV: safe to fill with any text, and holding the numbers."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from rs_adapt.render.svg import Series, line_plot
from rs_adapt.render.text import escape_latex, escape_markdown, render_latex, render_markdown
from rs_adapt.reports.make import make_report, write_report
from rs_adapt.reports.panels import find_pack_path, select_tiles
from rs_adapt.scores.groups import score_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from rs_adapt.reports.make import Report

    Write = Callable[..., Path]

ODD = "<b>&_%"


class Tags(html.parser.HTMLParser):
    """All start tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def report(tmp_path: Path, write_cell: Write) -> Report:
    """A report with odd names, adaptation with pseudo-labels, several methods, and a failed cell."""
    odd = (ODD, "$b#{~^\\}|")
    health = {"source_share": {odd[0]: 0.5, odd[1]: 0.5}, "teacher_share": {odd[0]: 0.9, odd[1]: 0.1}}
    health |= {"confidence": 0.8, "agreement": None, "alarm": "<i>class</i> is lost"}
    lines = [{"iter": step, "loss": 1 / step, "health": health} for step in (10, 20, 30, 40)]
    lines += [{"iter": 20, "miou_pct": 50.0}, {"iter": 40, "miou_pct": 55.0, "source_val": {"miou_pct": 70.0}}]
    for method, right in (("frozen", 50), ("lora", 80)):
        for seed in (0, 1):
            write_cell(
                f"{method}{seed}",
                right=(right + seed,) * 4,
                classes=odd,
                lines=lines,
                cell={"method": method, "seed": seed, "setting": "da", "strategy": "dacs"},
            )
    failed = tmp_path / "work" / "failed"
    failed.mkdir()
    (failed / "sweep_cell.json").write_text(json.dumps({"status": "failed", "error": "<script>alert(1)</script>"}))
    return make_report([tmp_path / "work"], title="<title> & more")


def page_of(report: Report, tmp_path: Path) -> str:
    write_report(report, tmp_path / "out")
    return (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_page_escapes_everything_and_loads_nothing(report: Report, tmp_path: Path) -> None:
    page = page_of(report, tmp_path)
    found = Tags(page)
    names = [tag for tag, _ in found.tags]
    assert names.count("script") == 1
    assert not {"b", "i"} & {tag for tag, attrs in found.tags if "class" not in attrs}
    assert "alert(1)" in "".join(found.text)
    assert ODD in found.text
    for _, attrs in found.tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert attrs.get(name, "#").startswith(("#", "data:")), attrs
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_page_is_accessible(report: Report, tmp_path: Path) -> None:
    found = Tags(page_of(report, tmp_path))
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in found.tags if tag == "th")
    assert all(attrs.get("aria-label") for tag, attrs in found.tags if tag == "svg")
    assert all(attrs.get("alt") for tag, attrs in found.tags if tag == "img")
    anchors = [str(attrs["id"]) for _, attrs in found.tags if "id" in attrs]
    assert len(set(anchors)) == len(anchors)
    links = {str(attrs["href"])[1:] for tag, attrs in found.tags if tag == "a"}
    assert links <= set(anchors)
    assert {"failed", "transfer", "selections", "classes", "curves", "health", "confusion", "cost", "runs"} <= links


def test_markdown_has_the_numbers_of_the_report(report: Report) -> None:
    text = render_markdown(report.title, report.lead, report.sections)
    rows = [line for line in text.splitlines() if line.startswith("| lora · dacs")]
    # 80 and 81 of 100 right: 66.67 and 68.07.
    assert rows[0] == r"| lora · dacs | **67.4** \[66.7, 68.1\], 2 seeds |"
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        # A bar that is escaped is no border.
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert r"\<b\>\&\_%" in text
    assert "<script>" not in text


def test_csv_has_the_numbers_of_the_report(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path / "out")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/results.csv").read_text())))
    assert [row["folder"] for row in rows] == ["failed", "frozen0", "frozen1", "lora0", "lora1"]
    last = rows[-1]
    assert (last["method"], last["seed"], last["status"]) == ("lora", "1", "finished")
    assert float(last["miou_pct"]) == pytest.approx(100 * 81 / 119, abs=1e-3)
    assert float(last[f"iou_pct.{ODD}"]) == pytest.approx(100 * 81 / 119, abs=1e-3)
    assert float(last["miou_pct.low"]) == pytest.approx(100 * 81 / 119, abs=1e-3)
    assert (last["adapter_parameters"], last["train_s"]) == ("10", "60.0")
    assert (rows[0]["error"], rows[0]["miou_pct"]) == ("<script>alert(1)</script>", "")


def test_latex_is_escaped_and_its_rows_are_whole(report: Report) -> None:
    text = render_latex(report.title, report.sections)
    assert r"\textless{}b\textgreater{}\&\_\%" in text
    assert r"\$b\#\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}\textbar{}" in text
    assert r"\textbf{67.4}" in text
    for table in text.split(r"\begin{table}")[1:]:
        columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", table)
        assert columns is not None
        body = table[table.index(r"\toprule") : table.index(r"\bottomrule")]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 1
        for line in rows:
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1
        # Every brace that is not printed is closed.
        bare = re.sub(r"\\[{}]", "", table)
        assert bare.count("{") == bare.count("}")


@pytest.mark.parametrize(
    ("text", "latex", "markdown"),
    [("a_b", r"a\_b", r"a\_b"), ("50 %", r"50 \%", "50 %"), ("a\nb", "a b", "a b"), ("a|b", r"a\textbar{}b", r"a\|b")],
)
def test_names_are_escaped(text: str, latex: str, markdown: str) -> None:
    assert (escape_latex(text), escape_markdown(text)) == (latex, markdown)


def test_lines_are_drawn_where_the_numbers_are() -> None:
    svg = line_plot(
        [Series(name="s", points=[(0, 0), (50, 50), (100, 100)], colour=1)],
        x_label="x",
        y_label="y",
        alt="<a>",
        y_range=(0, 100),
        spans=[(25, 50)],
    )
    (points,) = re.findall(r'points="([^"]+)"', svg)
    (x0, y0), (x1, y1), (x2, y2) = ([float(v) for v in point.split(",")] for point in points.split())
    assert (x1, y1) == (pytest.approx((x0 + x2) / 2, abs=0.1), pytest.approx((y0 + y2) / 2, abs=0.1))
    assert y0 > y2
    assert f'class="span" x="{(3 * x0 + x2) / 4:.1f}"' in svg
    assert 'aria-label="&lt;a&gt;"' in svg
    assert line_plot([Series(name="s", points=[], colour=0)], x_label="", y_label="", alt="") == ""


def test_tiles_are_the_worst_the_middle_and_the_best(tmp_path: Path, write_cell: Write) -> None:
    from rs_adapt.runs.collect import collect

    write_cell("a", right=(90, 10, 50, 30, 70))
    groups = score_runs(collect([tmp_path / "work"]).finished).groups
    assert [name for name, _ in select_tiles(groups, 3)] == ["t1", "t2", "t0"]
    assert [name for name, _ in select_tiles(groups, 1)] == ["t2"]
    assert len(select_tiles(groups, 9)) == 5
    assert find_pack_path(groups[0].scores[0]) == "."


def test_overlays_of_eval_are_shown(tmp_path: Path, write_cell: Write) -> None:
    folder = write_cell("a", right=(90, 10, 50, 30))
    assert "--panels 3" in page_of(make_report([folder]), tmp_path)
    for split in ("south test", "north val"):
        place = folder / "eval" / split.replace(" ", "-")
        (place / "overlays").mkdir(parents=True)
        result = json.loads((folder / "result.json").read_text())
        (place / "result.json").write_text(json.dumps(result | {"protocol": {"report_split": split}}))
        for tile in ("t0", "t1"):
            Image.new("RGB", (4, 4), "red" if split == "south test" else "blue").save(
                place / "overlays" / f"{tile}.png"
            )
    pictures = [attrs["alt"] for tag, attrs in Tags(page_of(make_report([folder]), tmp_path)).tags if tag == "img"]
    assert pictures == ["t1: image, truth, prediction", "t0: image, truth, prediction"]


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width_px", [400, 1200])
def test_page_in_a_browser(report: Report, tmp_path: Path, browser: Any, width_px: int, dark: bool) -> None:
    page_of(report, tmp_path)
    ask = """(() => {
        document.querySelectorAll("details").forEach(one => { one.open = true; });
        const table = document.querySelector("#transfer table"), names = () =>
            [...table.tBodies[0].rows].map(row => row.cells[0].textContent);
        const before = names();
        table.querySelectorAll("th button")[1].click();
        return [before, names(), getComputedStyle(document.body).backgroundColor];
    })()"""
    found = browser.look(tmp_path / "out/index.html", width_px=width_px, dark=dark, ask=ask)
    assert found.errors == []
    assert [url for url in found.requests if not url.startswith("data:")] == [(tmp_path / "out/index.html").as_uri()]
    assert found.scroll_px <= width_px
    before, after, ground = found.answer
    # A click sorts: the highest first.
    assert (before, after) == (["frozen · dacs", "lora · dacs"], ["lora · dacs", "frozen · dacs"])
    assert ground == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
