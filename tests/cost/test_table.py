"""A comparison with known numbers, as content, table, CSV, Markdown and picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from rs_adapt.cost.measure import Comparison, MethodCost
from rs_adapt.cost.plot import cost_svg
from rs_adapt.cost.table import cost_content, cost_csv, cost_markdown, cost_notes, cost_table
from rs_adapt.cost.write import FILES, check_cost_folder, write_cost_files
from rs_adapt.errors import ConfigError, OutputExists

SETUP = {
    **{"bench": "synthetic", "setting": "da", "backbone": "dinov2_nano", "head": "linear", "batch_size": 2},
    **{"crop_px": 64, "precision": "fp32", "rounds": 3, "warmup": 1, "memory": "what it is"},
    "environment": {"device": "a machine"},
}


def method(name: str, parameters: int, *train_ms: float) -> MethodCost:
    return MethodCost(
        method=name,
        backbone_parameters=parameters,
        head_parameters=1000,
        pack_bytes=4 * (parameters + 1000),
        memory_bytes=2**20 + 4 * parameters,
        train_s=[value / 1e3 for value in train_ms],
        infer_s=[0.004, 0.005, 0.009],
    )


@pytest.fixture
def content() -> dict[str, Any]:
    costs = [
        method("frozen", 0, 30, 10, 20),
        method("small_slow", 500, 80, 80, 80),
        method("large_quick", 4000, 30, 40, 50),
        method("large_slow", 4000, 90, 90, 90),
    ]
    return cost_content(Comparison(setup=SETUP, costs=costs, refused={"rein": "it needs another head."}))


def test_relative_values_are_ratios_of_medians_and_sums(content: dict[str, Any]) -> None:
    reference, *_, quick, _ = content["methods"]
    assert set(reference["relative"].values()) == {1.0}
    assert quick["train_ms"] == {"median": 40.0, "q1": 35.0, "q3": 45.0, "rounds": [30.0, 40.0, 50.0]}
    assert quick["relative"] == {
        **{"parameters": 5.0, "pack_bytes": 5.0, "memory_bytes": 1.0153, "train_ms": 2.0, "infer_ms": 1.0}
    }


def test_the_reference_does_not_beat_the_methods(content: dict[str, Any]) -> None:
    front = [row["method"] for row in content["methods"] if row["non_dominated"]]
    assert front == ["small_slow", "large_quick"]


def test_one_round_has_no_spread() -> None:
    content = cost_content(Comparison(setup=SETUP, costs=[method("frozen", 0, 30)], refused={}))
    assert content["methods"][0]["train_ms"] == {"median": 30.0, "q1": 30.0, "q3": 30.0, "rounds": [30.0]}
    assert "within 0 %" in " ".join(cost_notes(content))


def test_table_and_notes_show_values_multiples_and_reasons(content: dict[str, Any]) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(cost_table(content))
    row = next(line for line in capture.get().splitlines() if "large-quick" in line)
    for shown in ("large-quick *", " 4 000 ", "5 000 (5.00)", "20 000 (5.00)", "40.00 (2.00)", "5.00 (1.00)"):
        assert shown in row
    notes = cost_notes(content)
    assert "Not measured: rein: it needs another head." in notes
    assert any("2 random crops of 64 px in fp32 on a machine" in note for note in notes)
    assert any("within 25 %" in note and "frozen" in note for note in notes)


def test_csv_and_markdown_have_a_row_for_each_method(content: dict[str, Any]) -> None:
    rows = list(csv.DictReader(cost_csv(content).splitlines()))
    assert [row["method"] for row in rows] == ["frozen", "small_slow", "large_quick", "large_slow"]
    assert [row["train_ms"] for row in rows] == ["20.0", "80.0", "40.0", "90.0"]
    assert [row["non_dominated"] for row in rows] == ["0", "1", "1", "0"]
    lines = cost_markdown(content).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 4
    assert len({line.count("|") for line in table}) == 1
    assert "- Not measured: rein: it needs another head." in lines


def test_files_appear_together_and_leave_other_files_alone(content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    check_cost_folder(tmp_path, overwrite=False)
    write_cost_files(tmp_path, content)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "notes.txt"}
    assert json.loads((tmp_path / "cost.json").read_text()) == content
    assert ElementTree.parse(tmp_path / "cost.svg").getroot().get("viewBox") == "0 0 760 454"
    with pytest.raises(OutputExists, match=r"--out, or add --overwrite"):
        check_cost_folder(tmp_path, overwrite=False)
    check_cost_folder(tmp_path, overwrite=True)


def test_a_failure_leaves_the_folder_as_it_was(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("rs_adapt.cost.write.cost_svg", fail)
    with pytest.raises(OSError, match="no space left"):
        write_cost_files(tmp_path, content)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write to .*taken.*--out"):
        check_cost_folder(tmp_path / "taken", overwrite=False)


def test_the_picture_fills_and_joins_the_front(content: dict[str, Any]) -> None:
    def drawn() -> tuple[int, int, int]:
        svg = cost_svg(content, "title")
        return svg.count('class="best"'), svg.count('class="other"'), svg.count('class="line front"')

    assert drawn() == (2, 1, 1)
    for row in content["methods"]:
        row["non_dominated"] = False
    assert drawn() == (0, 3, 0)


def test_the_picture_has_its_own_style_and_escapes_names(content: dict[str, Any]) -> None:
    content["methods"][1]["method"] = "<small>"
    svg = cost_svg(content, "a & b")
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"<small>", "frozen", "large-quick"} <= set(texts)
    assert any("a & b" in str(text) for text in texts)
    assert "--c1:" in svg
    # An error bar for each method, its middle half of the rounds.
    assert svg.count('class="error"') == 4


def test_the_reference_alone_is_drawn_too(content: dict[str, Any]) -> None:
    content["methods"] = content["methods"][:1]
    assert cost_svg(content, "title").count('<rect class="reference"') == 1
