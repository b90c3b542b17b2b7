"""Run folders that version 0.1.0 wrote are read, scored, evaluated and resumed as that version did.

`stored_0_1_0/finished` is `rs-adapt train --bench synthetic-dg --iters 6 --method bitfit` at f3a989d, and
`interrupted` the same run stopped by SIGTERM after 3 iterations; pictures and logs are left out, and the machine's
folders stand as `/rs-adapt/...`. Resumed by that version, the interrupted run ended with the very file of the finished.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, MANIFEST_FILE, METRICS_FILE, RESULT_FILE, TENSORS_FILE
from rs_adapt.runs.records import EvaluationLine, TrainingLine
from rs_adapt.runs.run import Run
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import drawn_sums, iou_of_sums, mean_iou, sums_of
from rs_adapt.scores.rescore import rescore
from rs_adapt.scores.t_interval import t_quantile
from rs_adapt.scores.units import units_of

STORED = Path(__file__).parent / "stored_0_1_0"


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED / "finished", tmp_path / "finished"))


def test_the_configuration_is_read_as_data(finished: Path) -> None:
    config = Run.read(finished).config
    assert config is not None
    assert (config["cell"]["method"], config["train_cfg"]["max_iters"]) == ("bitfit", 6)
    (finished / CONFIG_FILE).unlink()
    assert Run.read(finished).config is None
    (finished / CONFIG_FILE).write_text("optim = dict(lr=open('secret').read())")
    with pytest.raises(ConfigError, match=r"config.py, line 1: .* nothing in it is executed"):
        _ = Run.read(finished).config


def test_every_file_is_read_and_would_be_written_as_it_is() -> None:
    run = Run.read(STORED / "finished")
    assert run.damage == ()
    assert (run.status, run.name) == ("finished", "synthetic-dg / bitfit / dinov2-nano + linear / source-only / seed 0")
    for file, record in ((CELL_FILE, run.start), (RESULT_FILE, run.result), (MANIFEST_FILE, run.manifest)):
        assert record is not None
        # The order of the keys too.
        assert json.dumps(record.content()) == json.dumps(json.loads((run.folder / file).read_text()))
    written = [json.dumps(line.content()) for line in run.metrics]
    assert written == (run.folder / METRICS_FILE).read_text().splitlines()


def test_values_are_typed() -> None:
    run = Run.read(STORED / "finished")
    assert run.result is not None
    assert run.manifest is not None
    assert run.start is not None
    assert run.start.format == run.result.format == run.manifest.format == 1
    assert run.result.selections["last"] is not None
    assert run.result.selections["last"].confusions == "confusions/iter6.npz"
    assert (run.result.protocol.name, run.result.environment.rs_adapt) == ("strict", "0.1.0")
    assert run.overrides == ("bench.schedule.iters=6",)
    assert run.manifest.base.name == "dinov2_nano"
    assert [type(line) for line in run.metrics] == [TrainingLine] * 6 + [EvaluationLine]
    assert run.training_lines[0].parts == {"decode.loss_ce": run.training_lines[0].loss}
    assert run.evaluations[0].source_val is not None
    assert repr(run).endswith("finished, mIoU 37.72 %>")


def test_interrupted_run_is_unfinished_and_can_be_resumed() -> None:
    run = Run.read(STORED / "interrupted")
    assert (run.status, run.result, run.miou_pct, run.can_resume) == ("unfinished", None, None, True)
    assert [line.iter for line in run.metrics][-1] < 6


def test_stored_matrices_score_as_the_result() -> None:
    run = Run.read(STORED / "finished")
    scored = rescore(run.folder).to_json()
    assert run.result is not None
    assert run.result.interval is not None
    assert scored["miou_pct"] == run.miou_pct
    # The interval in the file is that of the percentiles, which stand in no output of today.
    assert (run.result.interval.form, scored["interval"]["form"]) == ("percentile", "t")
    stored = PerImage.load(run.folder / "confusions/iter6.npz")
    sums = sums_of(units_of(stored).counts_UKK)
    drawn = np.concatenate([part for (part,) in drawn_sums([sums], resamples=2000, seed=0)])
    # Then, a class without true pixels in a resample scored 0 there.
    miou_R = mean_iou(iou_of_sums(drawn, np.ones(6, dtype=np.bool_)))
    percentiles = np.quantile(miou_R, [0.025, 0.975]).round(3)
    assert percentiles.tolist() == [run.result.interval.low, run.result.interval.high]
    miou_R = mean_iou(iou_of_sums(drawn))
    half = t_quantile(0.95, 3) * miou_R.std() * (4 / 3) ** 0.5
    assert scored["interval"]["high"] == pytest.approx(run.miou_pct + half, abs=1e-3)
    assert {name: facts["iou_pct"] for name, facts in scored["classes"].items()} == dict(run.iou_pct)


@pytest.mark.slow
def test_pack_evaluates_to_the_same_score(finished: Path, tmp_path: Path) -> None:
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.evaluation import score_checkpoint

    result = score_checkpoint(recompose(finished), finished, split="test", out_dir=tmp_path / "eval", device="cpu")
    # Equal to the last digit on the machine that made the run; others may round a pixel differently.
    assert result.miou_pct == pytest.approx(Run.read(finished).miou_pct, abs=0.01)
    assert Run.read(finished).result.headline == result.protocol.selection == "last"


@pytest.mark.slow
def test_interrupted_run_ends_as_the_uninterrupted_one(finished: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from rs_adapt.config import compose, resolve_cell
    from rs_adapt.config.sameness import result_settings
    from rs_adapt.engine.train import train

    folder = Path(shutil.copytree(STORED / "interrupted", tmp_path / "interrupted"))
    cell = resolve_cell("synthetic-dg", method="bitfit")
    cfg = compose(cell, overrides=["bench.schedule.iters=6"], work_dir=folder)
    shipped = str(Path(cfg.model.backbone.weights).parents[3])
    text = (folder / CONFIG_FILE).read_text()
    for old, new in (
        ("/rs-adapt/work_dirs/interrupted", str(folder)),
        ("/rs-adapt/data", cfg.data_root),
        ("/rs-adapt/home/prepared/synthetic-4bce095b", cfg.prepared_dir),
        ("/rs-adapt/rs_adapt", f"{shipped}/rs_adapt"),
    ):
        text = text.replace(old, new)
    # What --resume compares: the configuration of today is that of then.
    assert result_settings(text, file=CONFIG_FILE) == result_settings(cfg.pretty_text, file=CONFIG_FILE)
    (folder / CONFIG_FILE).write_text(text)
    train(cfg, device="cpu", resume=True)

    resumed, straight = Run.read(folder), Run.read(finished)
    first, second = (load_file(run.folder / TENSORS_FILE) for run in (resumed, straight))
    assert first.keys() == second.keys()
    # Equal in every bit on the machine that made the runs.
    assert all(torch.allclose(first[name], second[name], rtol=1e-4, atol=1e-5) for name in first)
    assert resumed.miou_pct == pytest.approx(straight.miou_pct, abs=0.05)
    losses = [[(line.iter, line.loss) for line in run.training_lines] for run in (resumed, straight)]
    assert [iteration for iteration, _ in losses[0]] == [iteration for iteration, _ in losses[1]]
    assert [loss for _, loss in losses[0]] == pytest.approx([loss for _, loss in losses[1]], rel=1e-4)
