"""A comparison with known numbers, as content, table, CSV, Markdown and picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from rs_adapt.cost.measure import Comparison, MethodCost
from rs_adapt.cost.plot import cost_svg
from rs_adapt.cost.table import cost_csv, cost_markdown, cost_notes, cost_record, cost_table
from rs_adapt.cost.write import FILES, check_cost_folder, write_cost_files
from rs_adapt.errors import ConfigError, OutputExists
from rs_adapt.runs.records import CostRecord, CostSetup, Environment, MethodCostRecord, read_record

SETUP = CostSetup(
    bench="synthetic",
    setting="da",
    backbone="dinov2_nano",
    head="linear",
    weights="random",
    tuned=True,
    overrides=(),
    batch_size=2,
    crop_px=64,
    precision="fp32",
    rounds=3,
    warmup=1,
    memory="what it is",
    environment=Environment(device="a machine"),
)


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
def record() -> CostRecord:
    costs = [
        method("frozen", 0, 30, 10, 20),
        method("small_slow", 500, 80, 80, 80),
        method("large_quick", 4000, 30, 40, 50),
        method("large_slow", 4000, 90, 90, 90),
    ]
    return cost_record(Comparison(setup=SETUP, costs=costs, refused={"rein": "it needs another head."}))


def with_methods(record: CostRecord, methods: Sequence[MethodCostRecord]) -> CostRecord:
    return record.model_copy(update={"methods": list(methods)})


def test_relative_values_are_ratios_of_medians_and_sums(record: CostRecord) -> None:
    reference, *_, quick, _ = record.methods
    assert set(reference.relative.content().values()) == {1.0}
    assert quick.train_ms.content() == {"median": 40.0, "q1": 35.0, "q3": 45.0, "rounds": [30.0, 40.0, 50.0]}
    assert quick.relative.content() == {
        **{"parameters": 5.0, "pack_bytes": 5.0, "memory_bytes": 1.0153, "train_ms": 2.0, "infer_ms": 1.0}
    }


def test_the_reference_does_not_beat_the_methods(record: CostRecord) -> None:
    front = [row.method for row in record.methods if row.non_dominated]
    assert front == ["small_slow", "large_quick"]


def test_one_round_has_no_spread() -> None:
    record = cost_record(Comparison(setup=SETUP, costs=[method("frozen", 0, 30)], refused={}))
    assert record.methods[0].train_ms.content() == {"median": 30.0, "q1": 30.0, "q3": 30.0, "rounds": [30.0]}
    assert "within 0 %" in " ".join(cost_notes(record))


def test_table_and_notes_show_values_multiples_and_reasons(record: CostRecord) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(cost_table(record))
    row = next(line for line in capture.get().splitlines() if "large-quick" in line)
    for shown in ("large-quick *", " 4 000 ", "5 000 (5.00)", "20 000 (5.00)", "40.00 (2.00)", "5.00 (1.00)"):
        assert shown in row
    notes = cost_notes(record)
    assert "Not measured: rein: it needs another head." in notes
    assert any("2 random crops of 64 px in fp32 on a machine" in note for note in notes)
    assert any("within 25 %" in note and "frozen" in note for note in notes)


def test_csv_and_markdown_have_a_row_for_each_method(record: CostRecord) -> None:
    rows = list(csv.DictReader(cost_csv(record).splitlines()))
    assert [row["method"] for row in rows] == ["frozen", "small_slow", "large_quick", "large_slow"]
    assert [row["train_ms"] for row in rows] == ["20.0", "80.0", "40.0", "90.0"]
    assert [row["non_dominated"] for row in rows] == ["0", "1", "1", "0"]
    lines = cost_markdown(record).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 4
    assert len({line.count("|") for line in table}) == 1
    assert "- Not measured: rein: it needs another head." in lines


def test_files_appear_together_and_leave_other_files_alone(record: CostRecord, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    check_cost_folder(tmp_path, overwrite=False)
    write_cost_files(tmp_path, record)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "notes.txt"}
    assert json.loads((tmp_path / "cost.json").read_text()) == {"format": 1} | record.content()
    again = read_record(tmp_path / "cost.json", CostRecord)
    assert again is not None
    assert again.content() == {"format": 1} | record.content()
    assert ElementTree.parse(tmp_path / "cost.svg").getroot().get("viewBox") == "0 0 760 454"
    with pytest.raises(OutputExists, match=r"--out, or add --overwrite"):
        check_cost_folder(tmp_path, overwrite=False)
    check_cost_folder(tmp_path, overwrite=True)


def test_a_failure_leaves_the_folder_as_it_was(
    record: CostRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("rs_adapt.cost.write.cost_svg", fail)
    with pytest.raises(OSError, match="no space left"):
        write_cost_files(tmp_path, record)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match=r"Cannot write to .*taken.*--out"):
        check_cost_folder(tmp_path / "taken", overwrite=False)


def test_the_picture_fills_and_joins_the_front(record: CostRecord) -> None:
    def drawn() -> tuple[int, int, int]:
        svg = cost_svg(record, "title")
        return svg.count('class="best"'), svg.count('class="other"'), svg.count('class="line front"')

    assert drawn() == (2, 1, 1)
    record = with_methods(record, [row.model_copy(update={"non_dominated": False}) for row in record.methods])
    assert drawn() == (0, 3, 0)


def test_the_picture_has_its_own_style_and_escapes_names(record: CostRecord) -> None:
    first, second, *others = record.methods
    record = with_methods(record, [first, second.model_copy(update={"method": "<small>"}), *others])
    svg = cost_svg(record, "a & b")
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"<small>", "frozen", "large-quick"} <= set(texts)
    assert any("a & b" in str(text) for text in texts)
    assert "--c1:" in svg
    # An error bar for each method, its middle half of the rounds.
    assert svg.count('class="error"') == 4


def test_the_reference_alone_is_drawn_too(record: CostRecord) -> None:
    assert cost_svg(with_methods(record, record.methods[:1]), "title").count('<rect class="reference"') == 1
