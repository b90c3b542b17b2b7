"""An evaluation against the matrices that the run of its weights stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.runs.records import Result, read_record
from rs_adapt.scores.agreement import Agreement, compare_with_stored
from rs_adapt.scores.per_image import PerImage

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def run(write_cell: Callable[..., Path]) -> Path:
    """Return a finished run whose score is that of its matrices."""
    folder = write_cell("run", right=(80,) * 40)
    result = json.loads((folder / "result.json").read_text())
    miou = 100 * 80 / 120
    result |= {"miou_pct": miou}
    for name in ("last", "oracle"):
        result["selections"][name]["miou_pct"] = miou
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def evaluate(run: Path, tmp_path: Path, *, moved: int = 0, first: int = 0, **protocol: Any) -> Agreement | None:
    """Compare with an evaluation in which `moved` pixels of a tile are predicted as the other class."""
    stored = PerImage.load(run / "confusions" / "iter40.npz")
    counts = stored.counts_NKK.copy()
    counts[first, 0] += [-moved, moved]
    PerImage(**vars(stored) | {"counts_NKK": counts}).save(tmp_path / "eval" / "confusions.npz")
    result = read_record(run / "result.json", Result)
    assert result is not None
    facts = result.protocol.model_copy(update=protocol)
    now = Result(cell=result.cell, trained_on=result.cell, protocol=facts, confusions="confusions.npz")
    return compare_with_stored(run, tmp_path / "eval", now)


def test_equal_counts_agree(run: Path, tmp_path: Path) -> None:
    agreement = evaluate(run, tmp_path)
    assert agreement == Agreement(
        agrees=True,
        sentence="Agrees with the stored result: mIoU 66.67, and the same counts in every tile.",
        stored_pct=pytest.approx(200 / 3),
    )


def test_a_few_pixels_are_rounding_and_more_are_a_difference(run: Path, tmp_path: Path) -> None:
    agreement = evaluate(run, tmp_path, moved=1)
    assert agreement is not None
    assert agreement.agrees is True
    assert agreement.sentence.startswith("Agrees with the stored result up to rounding: mIoU 66.67 there, 66.6")
    agreement = evaluate(run, tmp_path, moved=60)
    right, wrong = 40 * 80, 40 * 20
    assert agreement is not None
    assert agreement.agrees is False
    iou = (right - 60) / (right + 2 * wrong), right / (right + 2 * wrong + 60)
    miou = 50 * sum(iou)
    there = f"mIoU 66.67 there, {miou:.2f} here ({miou - 200 / 3:+.2f}); at least 60 pixels"
    assert agreement.sentence == f"Differs from the stored result: {there} are predicted differently."


def test_scores_of_other_kinds_are_not_compared(run: Path, tmp_path: Path) -> None:
    for change in ({"report_split": "north val"}, {"weights": "teacher"}):
        agreement = evaluate(run, tmp_path, **change)
        assert agreement is not None
        assert agreement.agrees is None
        assert next(iter(change.values())) in agreement.sentence


def test_a_stored_result_that_contradicts_its_matrices_agrees_with_nothing(run: Path, tmp_path: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {"miou_pct": 74.0}))
    agreement = evaluate(run, tmp_path)
    assert agreement is not None
    assert agreement.agrees is False
    assert "states 74.000 as miou_pct, but its matrices in confusions/iter40.npz give 66.667" in agreement.sentence


def test_a_pack_has_nothing_to_agree_with(run: Path, tmp_path: Path) -> None:
    (run / "result.json").rename(tmp_path / "result.json")
    assert compare_with_stored(run, tmp_path, read_record(tmp_path / "result.json", Result)) is None  # type: ignore[arg-type]
