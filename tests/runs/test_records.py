"""Records of the files of a run: written and read back, keys of newer versions, damaged files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from rs_adapt.errors import CheckpointMismatch, UnreadableFile
from rs_adapt.runs.records import (
    FORMAT,
    CellNames,
    EvaluationLine,
    IntervalFacts,
    PlannedCell,
    Record,
    Result,
    RunStart,
    SelectedCheckpoint,
    SweepCellRecord,
    SweepPlan,
    TrainingLine,
    read_record,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CELL = CellNames(
    bench="synthetic", setting="da", method="lora", backbone="dinov2_nano", head="linear", strategy="dacs", seed=3
)
RECORDS: list[Record] = [
    RunStart(cell=CELL, command="rs-adapt train --bench synthetic-da", tiles={"train": 8}),
    Result(
        cell=CELL,
        miou_pct=61.5,
        iou_pct={"road": 61.5, "water": None},
        interval=IntervalFacts(low=60.0, high=63.0, unit="scene", units=4),
        selections={"last": SelectedCheckpoint(iter=40, by="the last iteration"), "oracle": None},
    ),
    SweepCellRecord(title="a cell", status="failed", error="out of memory", identity={"cell.seed": 3}),
    SweepPlan(cells=[PlannedCell(folder="a", seed=3)]),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_read_back_as_it_was_written(tmp_path: Path, record: Record) -> None:
    path = tmp_path / "record.json"
    write_record(path, record)
    content = json.loads(path.read_text())
    assert next(iter(content.items())) == ("format", FORMAT)
    again = read_record(path, type(record))
    assert again is not None
    assert again.model_dump() == record.model_dump()
    assert {"format": FORMAT} | again.content() == content


def test_a_value_that_was_not_given_is_not_written() -> None:
    assert IntervalFacts(level=0.9, unit="scene").content() == {"level": 0.9, "unit": "scene"}


def test_a_key_of_a_newer_version_is_copied(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    content = {"format": FORMAT} | RunStart(cell=CELL).content()
    content |= {"mood": ["good"], "cell": content["cell"] | {"colour": "red"}}
    old.write_text(json.dumps(content))
    record = read_record(old, RunStart)
    assert record is not None
    write_record(new, record)
    assert json.loads(new.read_text()) == content


def test_a_record_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CELL.seed = 4  # type: ignore[misc]


def test_a_missing_file_gives_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path / "cell.json", RunStart) is None


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    path.write_text(json.dumps(RunStart(cell=CELL).content() | {"format": FORMAT + 1}))
    with pytest.raises(UnreadableFile, match=rf"has format {FORMAT + 1}, this version reads format {FORMAT}. Update"):
        read_record(path, RunStart)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": "3"}, "cell.seed is '3'; it must be a whole number."),
        ({"seed": True}, "cell.seed is True; it must be a whole number."),
        ({"bench": None}, "cell.bench is None; it must be a text."),
        ({"tuned": 1}, "cell.tuned is 1; it must be true or false."),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(tmp_path: Path, changes: Mapping[str, object], sentence: str) -> None:
    path = tmp_path / "cell.json"
    path.write_text(json.dumps({"cell": CELL.content() | changes}))
    with pytest.raises(UnreadableFile) as caught:
        read_record(path, RunStart)
    assert str(caught.value) == f"{path}: {sentence}"


def test_a_missing_key_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    content = CELL.content()
    del content["head"]
    path.write_text(json.dumps({"cell": content}))
    with pytest.raises(UnreadableFile, match="cell.head is missing: the decode head"):
        read_record(path, RunStart)


@pytest.mark.parametrize("text", ['{"cell": ', "\x00", "[]", "3"])
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cell.json"
    path.write_text(text)
    with pytest.raises(CheckpointMismatch, match=r"cell\.json.* Copy the run again\.$"):
        read_record(path, RunStart, error=CheckpointMismatch, remedy="Copy the run again.")


def test_parts_of_the_loss_follow_the_loss_in_a_line() -> None:
    line = TrainingLine.model_validate({"iter": 8, "loss": 3.0, "iter_s": 0.5, "decode.loss": 1.0, "mix.loss": 2.0})
    assert line.parts == {"decode.loss": 1.0, "mix.loss": 2.0}
    assert list(line.content()) == ["iter", "loss", "decode.loss", "mix.loss", "iter_s"]


def test_infinite_scores_are_refused() -> None:
    with pytest.raises(ValidationError, match="finite"):
        EvaluationLine(iter=1, miou_pct=float("inf"))
