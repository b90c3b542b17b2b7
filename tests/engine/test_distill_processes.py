"""Two processes with half of the batch each train a student as one with all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rs_adapt.api.teaching import find_teacher
from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.train import train
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.records import TrainingLine
from tests.engine.test_several_processes import by_two


@pytest.mark.slow
def test_two_processes_train_a_student_as_one(loveda_root: Path, tmp_path: Path) -> None:
    texts = [
        *("bench.partial=true", "bench.tile_px=64", "bench.crop_px=64", "bench.inference.mode='whole'"),
        *("runtime.num_workers=0", "bench.schedule.iters=4", "bench.schedule.eval_every=4"),
        *("protocol.label_free_tiles=2", "bench.schedule.batch_size.da=4", "bench.schedule.batch_size.dg=2"),
    ]
    made = {"overrides": texts, "data_root": str(loveda_root)}
    head = {"head": "linear"}
    of_teacher = resolve_cell("loveda-dg", backbone="dinov2-nano", method="lora", **head)
    train(compose(of_teacher, **made, iters=1, work_dir=tmp_path / "teacher"), device="cpu")
    cell = {"bench": "loveda-da", "backbone": "convnext-nano", "strategy": "distill", **head}
    job = {"cell": cell, "compose": made | {"work_dir": str(tmp_path / "two")}, "teacher": str(tmp_path / "teacher")}
    assert by_two([job], tmp_path) == [[{"finished": True}], [{"finished": False}]]
    cfg = compose(resolve_cell(**cell), **made, work_dir=tmp_path / "one")
    train(cfg, device="cpu", teacher=find_teacher(tmp_path / "teacher", progress=False))
    two, one = (
        [line for line in read_metrics(tmp_path / run) if isinstance(line, TrainingLine)] for run in ("two", "one")
    )
    assert [line.iter for line in two] == [line.iter for line in one] == [1, 2, 3, 4]
    for found, expected in zip(two, one, strict=True):
        # The first half on features, the second on probabilities and labels.
        assert any("loss_features" in name for name in found.parts) == (found.iter <= 2)
        # Rounding takes single pixels to a different class.
        assert found.parts == pytest.approx(expected.parts, rel=2e-5, abs=2e-4)
    assert json.loads((tmp_path / "two" / "cell.json").read_text())["teacher"]["cell"]["method"] == "lora"
