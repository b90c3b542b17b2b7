"""Names that anybody may have written are shown as they are: on terminals, in tables, pictures and spreadsheets."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.table import Table

from rs_adapt.render.confusion_plot import draw_confusion, read_confusion_csv, write_confusion_csv
from rs_adapt.render.csv_text import csv_text
from rs_adapt.render.plain_text import printable, printable_line
from rs_adapt.render.terminal import PlainConsole, styled

HARSH = ("road [paved]", "[/]", "[/red]", "[bold red]x", "[link=http://x]y[/link]", ":warning:", "a\\[b")


def shown(*renderables: object) -> str:
    console = PlainConsole(width=120)
    console.file = io.StringIO()
    for renderable in renderables:
        console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize("name", HARSH)
def test_brackets_are_no_markup(name: str) -> None:
    table = Table(name, title=name)
    table.add_row(name)
    table.add_row(styled(name, "red"))
    text = shown(name, table)
    assert text.count(name) == 5


@pytest.mark.parametrize("name", ["\x1b[2Jx", "\x1b]0;title\x07x", "\x9b31mx", "\rx", "\x08x", "\u202ex", "\ud800x"])
def test_terminals_are_not_controlled(name: str) -> None:
    table = Table(name)
    table.add_row(name)
    table.add_row(styled(name, ""))
    for text in (printable(name), shown(name, table)):
        assert not set("\x1b\x07\x9b\r\x08\u202e\ud800") & set(text)
        assert "x" in text
    assert "\\x1b" in printable("\x1b[31m")


@given(st.text(alphabet=st.characters(codec=None)))
def test_what_is_printable_stays_so(text: str) -> None:
    plain = printable(text)
    assert printable(plain) == plain
    plain.encode("utf-8")
    assert "\n" not in printable_line(text)


NAMES = ["$\\frac{$", "a$b$c", "$x^2$", "_^{", "\\textbf{x}", "\x1b[31mred", "", "名前", "%&#"]


def test_pictures_show_names_and_no_formulas(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    matrix = np.eye(len(NAMES), dtype=np.int64)
    draw_confusion(tmp_path / "a.png", matrix, NAMES, "$\\frac{$ [/]")
    draw_confusion(tmp_path / "b.png", np.eye(2, dtype=np.int64), ["a", "b"], "$x^2$")
    draw_confusion(tmp_path / "c.png", np.eye(2, dtype=np.int64), ["a", "b"], "x")
    pixels = [np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "bc"]
    # As a formula it would be as narrow as two letters.
    assert (pixels[0] < 128).sum() > (pixels[1] < 128).sum()


@pytest.mark.parametrize("text", ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(1)"])
def test_no_cell_is_a_formula(text: str) -> None:
    first, second = csv_text([[text, 1]]).splitlines()[0].rsplit(",", 1)
    assert first.strip('"')[0] not in "=+-@\t\r"
    assert second == "1"


def test_numbers_stay_numbers() -> None:
    assert csv_text([["-1.5", -2, "+3e4", None, "a,b", 'c"d', "x\ny"]]) == '-1.5,-2,+3e4,,"a,b","c""d",x y\n'


@settings(max_examples=30)
@given(st.lists(st.text(alphabet="ab=,\"'-\n+@", min_size=1, max_size=6), min_size=2, max_size=4, unique=True))
def test_a_matrix_has_its_columns_whatever_its_classes_are_called(names: list[str]) -> None:
    path = Path(__file__).with_name("unused.csv")
    matrix = np.arange(len(names) ** 2).reshape(len(names), -1)
    content: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rs_adapt.render.confusion_plot.write_text", lambda _, text: content.update(text=text))
        write_confusion_csv(path, matrix, names)
        patch.setattr(Path, "read_text", lambda *_, **__: content["text"])
        counts, read = read_confusion_csv(path)
    assert counts.tolist() == matrix.tolist()
    assert len(read) == len(names)
