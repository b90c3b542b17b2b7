"""Results of version 0.1.0, whose mean counted a class without true pixels as 0 once it was predicted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.runs.records import EvaluationLine, MetricsLine, Result, TrainingLine, read_record
from rs_adapt.runs.run import Run
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.comparison import compare_runs
from rs_adapt.scores.current import current_result, current_run, mean_line, same_means
from rs_adapt.scores.rescore import rescore

Write = Callable[..., Path]
CLASSES = ("a", "b", "water")
INTERVAL = {"low": 40.0, "high": 48.0, "level": 0.95, "unit": "scene", "units": 12, "resamples": 2000, "seed": 0}


@pytest.fixture
def old(write_cell: Write) -> Write:
    """Return a function that writes a run of version 0.1.0 whose truth has no water, and predicts one pixel of it."""

    def write(name: str = "old", **changes: Any) -> Path:
        folder = write_cell(name, classes=CLASSES, interval=INTERVAL, **changes)
        result = json.loads((folder / "result.json").read_text())
        scores = rescore(folder).classes
        result |= {
            "iou_pct": {"a": scores["a"].iou_pct, "b": scores["b"].iou_pct, "water": 0.0},
            "acc_pct": {"a": 80.0, "b": 80.0, "water": None},
        }
        (folder / "result.json").write_text(json.dumps(result))
        return folder

    return write


def read(folder: Path) -> Result:
    result = read_record(folder / "result.json", Result)
    assert result is not None
    return result


def test_mean_interval_and_selections_are_taken_again(old: Write) -> None:
    folder = old()
    before = read(folder)
    now = current_result(folder, before)
    # 159 or 160 of 200 pixels a tile are right in all, so IoU is 66.6 and 66.7.
    assert before.miou_pct == pytest.approx(2 / 3 * 66.65, abs=0.05)
    assert now.miou_pct == pytest.approx(66.65, abs=0.05) == rescore(folder).miou_pct
    assert (now.iou_pct["water"], now.classes_in_mean) == (None, ["a", "b"])
    assert mean_line(before) == (
        "all 3 classes (0 for predictions without true pixels: water) by mmsegmentation's rule"
    )
    assert mean_line(now) == "2 of 3 classes (no true pixels: water)"
    last = now.selections["last"]
    assert last is not None
    assert last.miou_pct == now.miou_pct
    assert now.interval is not None
    assert (now.interval.form, now.interval.units) == ("t", 12)
    assert now.notes == [
        "The version that made this result counted a class without true pixels as IoU 0 once it was predicted: mIoU "
        f"{before.miou_pct:.2f} in result.json, {now.miou_pct:.2f} here as the mean over 2 of 3 classes (no true "
        "pixels: water)."
    ]
    # A result that states its rule stays as it is.
    assert current_result(folder, now) is now


def test_protocols_that_reproduce_papers_keep_mmsegmentations_mean(old: Write) -> None:
    folder = old(protocol={"name": "paper"})
    before = read(folder)
    now = current_result(folder, before)
    assert (now.miou_pct, now.iou_pct, now.notes) == (before.miou_pct, before.iou_pct, [])
    assert rescore(folder).miou_pct == before.miou_pct
    assert mean_line(now) == "all 3 classes (0 for predictions without true pixels: water) by mmsegmentation's rule"


def test_without_matrices_the_stored_classes_are_averaged(old: Write) -> None:
    folder = old()
    result = json.loads((folder / "result.json").read_text())
    result["selections"] = {"last": {"iter": 40, "miou_pct": 44.4}, "oracle": {"iter": 40, "miou_pct": 44.4}}
    (folder / "result.json").write_text(json.dumps(result))
    now = current_result(folder, read(folder))
    assert now.miou_pct == pytest.approx(66.65, abs=0.05)
    assert now.classes_in_mean == ["a", "b"]
    # Nobody knows what the checkpoint of another selection has.
    assert [entry and entry.miou_pct for entry in now.selections.values()] == [None, None]
    # Where every class has true pixels, all numbers stay.
    result |= {"iou_pct": {}, "acc_pct": {}}
    (folder / "result.json").write_text(json.dumps(result))
    now = current_result(folder, read(folder))
    assert (now.miou_pct, now.selections["last"] and now.selections["last"].miou_pct) == (result["miou_pct"], 44.4)


def test_comparison_and_score_say_that_the_number_differs(old: Write, write_cell: Write) -> None:
    folder, other = old(), write_cell("new", classes=CLASSES, right=(90,) * 12, protocol={"absent_classes": "left_out"})
    assert "counted a class without true pixels" in rescore(folder).notes[0]
    found = compare_runs(folder, other)
    assert "counted a class without true pixels" in found.a.notes[0]
    assert found.b.notes == ()
    assert found.a.scored.classes == found.b.scored.classes == "2 of 3 classes (no true pixels: water)"
    assert found.miou.points == pytest.approx(81.77 - 66.65, abs=0.05)


def test_runs_under_both_rules_are_compared_over_the_classes_with_true_pixels(old: Write) -> None:
    found = compare_runs(old("a"), old("b", protocol={"name": "paper"}))
    assert found.a.miou_pct == found.b.miou_pct == pytest.approx(66.65, abs=0.05)
    assert found.differ == []


def evaluation(step: int, a: float, b: float, water: float | None) -> EvaluationLine:
    iou = {"a": a, "b": b, "water": water}
    values = [value for value in iou.values() if value is not None]
    return EvaluationLine(iter=step, iou_pct=iou, miou_pct=round(sum(values) / len(values), 3))


def test_a_run_that_an_older_version_began_has_one_mean_in_all_evaluations() -> None:
    # Iteration 10 is of version 0.1.0, which counted water; this version leaves it out.
    lines: list[MetricsLine] = [evaluation(10, 80, 70, 0.0), TrainingLine(iter=15), evaluation(20, 60, 58, None)]
    same = same_means(lines, class_set(CLASSES))
    assert [line.miou_pct for line in same if isinstance(line, EvaluationLine)] == [75.0, 59.0]
    assert same[1:] == lines[1:]
    assert same_means(lines, class_set(CLASSES, absent="zero_if_predicted")) == lines
    assert same_means(lines[1:], class_set(CLASSES)) == lines[1:]
    (first, *_) = same_means(lines, class_set(CLASSES, chosen="a,water"))
    assert isinstance(first, EvaluationLine)
    assert first.miou_pct == 80.0


def test_a_run_is_read_with_its_evaluations(old: Write) -> None:
    lines = [evaluation(10, 80, 70, 0.0).content(), evaluation(20, 60, 58, None).content()]
    run = current_run(Run.read(old(lines=lines)))
    assert [line.miou_pct for line in run.evaluations] == [75.0, 59.0]
    assert run.miou_pct == pytest.approx(66.65, abs=0.05)
