"""Training end to end on a tiny cell: exact resume, what is never read, what a run leaves, and how it fails."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from rich.console import Console
from safetensors.torch import load_file

from rs_adapt.engine.progress import TrainingProgress
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import CheckpointMismatch, ConfigError, DataError, NonFiniteLoss, OutputExists
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.strategies import SelfTraining


def lines_of(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics.jsonl as they are written."""
    return [line.content() for line in read_metrics(run)]


class SignalAt(Hook):  # type: ignore[misc]
    """Sends this process a signal during an iteration, as a user or a scheduler would."""

    def __init__(self, iteration: int, number: int = signal.SIGINT) -> None:
        self.iteration = iteration
        self.number = number

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), self.number)


# Labels that depend on all of the labeler's running means, and a learning rate that is still rising.
_MIC = ("per_class=true", "align=0.5", "lr_warmup_iters=5", "confidence=0.3")
MIC = {"strategy": "mic", "overrides": tuple(f"strategy.{text}" for text in _MIC)}


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ("da", {}),
        ("dg", {}),
        pytest.param("da", {"head": "mask2former_small"}, marks=pytest.mark.slow),
        pytest.param("da", MIC, marks=pytest.mark.slow),
        # Methods that wrap layers, of a library, with random noise in training, and with the frozen ViT beside them.
        pytest.param("da", {"method": "cobot+vpt", **MIC}, marks=pytest.mark.slow),
        *(pytest.param("da", {"method": name}, marks=pytest.mark.slow) for name in ("peft:dora", "peft:eva")),
        pytest.param(
            "dg", {"method": "peft:adalora", "overrides": ("method.options.deltaT=1",)}, marks=pytest.mark.slow
        ),
        # One that starts within the weight, a weight decay that falls, two rates.
        *(
            pytest.param("dg", {"method": method}, marks=pytest.mark.slow)
            for method in ("sam_parser+dcpl", "peft:pissa", "soma", "recycle_lora")
        ),
        *(
            # Interrupted before a choice, after it, in the next measurement, and with it.
            pytest.param(
                "da",
                {
                    "method": "crossearth_gate",
                    "overrides": (f"method.every={every}", f"method.measure={measure}", "method.k=9"),
                },
                marks=[pytest.mark.slow] if every != 3 else [],
            )
            for every, measure in ((5, 4), (5, 1), (2, 1), (3, 2))
        ),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else "-".join(v for v in value.values() if v == str(v)) or "plain"
    ),
)
def test_interrupted_and_resumed_equals_straight(
    tiny_cell, tmp_path: Path, setting: str, options: dict[str, Any]
) -> None:
    cfg = tiny_cell(setting, run="straight", **options)
    straight = train(cfg, device="cpu")

    cfg = tiny_cell(setting, run="parts", **options)
    with pytest.raises(Interrupted, match="after 3 iterations"):
        train(cfg, device="cpu", hooks=[SignalAt(3)])
    state = torch.load(tmp_path / "parts" / "state.pth", weights_only=True)
    if setting == "da":
        parts = {name.partition(".")[0] for name in state["model"]}
        assert {"ema", "labeler", "health", "iteration"} < parts
    torch.rand(17)  # what happens in between must not matter
    resumed = train(cfg, device="cpu", resume=True)

    first, second = (load_file(tmp_path / run / "adapter.safetensors") for run in ("straight", "parts"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert resumed.iou_pct == straight.iou_pct
    losses = [
        [(line["iter"], line.get("loss"), line.get("miou_pct")) for line in lines_of(tmp_path / run)]
        for run in ("straight", "parts")
    ]
    assert [line for line in losses[1] if line[0] > 3] == [line for line in losses[0] if line[0] > 3]


def test_interruption_between_evaluations_is_exact_too(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell(run="straight", overrides=("bench.schedule.eval_every=4",))
    train(cfg, device="cpu")
    cfg = tiny_cell(run="parts", overrides=("bench.schedule.eval_every=4",))
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", hooks=[SignalAt(2, signal.SIGTERM)])
    train(cfg, device="cpu", resume=True)
    first, second = (load_file(tmp_path / run / "adapter.safetensors") for run in ("straight", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)


class InterruptEvaluation(Hook):  # type: ignore[misc]
    """Sends SIGTERM during the first evaluation."""

    def after_val_iter(self, runner: Any, batch_idx: int, *_: Any, **__: Any) -> None:
        if batch_idx == 0:
            os.kill(os.getpid(), signal.SIGTERM)


def test_interrupted_evaluation_is_made_up_for(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell("dg", iters=4)
    with pytest.raises(Interrupted, match="after 3 iterations"):
        train(cfg, device="cpu", hooks=[InterruptEvaluation()])
    console = Console(file=io.StringIO(), width=100)
    train(cfg, device="cpu", resume=True, display=TrainingProgress(console, "cell"))
    assert [line["iter"] for line in lines_of(tmp_path / "run") if "miou_pct" in line] == [3, 4]
    assert "cell: 3/4 iterations, mIoU" in console.file.getvalue()  # type: ignore[attr-defined]


def test_adaptation_never_needs_target_labels(tiny_cell, loveda_root: Path) -> None:
    shutil.rmtree(loveda_root / "loveda" / "urban" / "train" / "ann_dir")
    cfg = tiny_cell("da", iters=3)
    assert train(cfg, device="cpu").status == "finished"


def test_generalization_never_touches_target_training_tiles(tiny_cell, loveda_root: Path) -> None:
    folder = loveda_root / "loveda" / "urban" / "train"
    shutil.rmtree(folder)
    cfg = tiny_cell("dg", iters=3)
    assert cfg.train_dataloader.dataset.unlabelled is None
    assert train(cfg, device="cpu").status == "finished"


def test_run_folder_has_all_files_that_a_reader_needs(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell(iters=3)
    returned = train(cfg, device="cpu")
    run = tmp_path / "run"
    names = sorted(path.name for path in run.iterdir())
    expected = ["adapter.safetensors", "cell.json", "config.py", "confusions", "data.json", "hashes.json"]
    assert names == [*expected, "manifest.json", "metrics.jsonl", "result.json", "train.log"]
    hashes = json.loads((run / "hashes.json").read_text())["files"]
    bound = [*names[:-1], "confusions/iter3.npz"]
    assert set(hashes) == set(bound) - {"confusions", "hashes.json"}
    assert all(hashlib.sha256((run / name).read_bytes()).hexdigest() == digest for name, digest in hashes.items())
    result = json.loads((run / "result.json").read_text())
    assert result == {"format": 1} | returned.content()
    assert result["protocol"]["selection"] == "last"
    assert (result["headline"], result["iter"], result["selections"]["oracle"]["iter"]) == ("last", 3, 3)
    assert 0 <= result["miou_pct"] <= 100
    assert set(result["iou_pct"]) == set(cfg.bench.classes)
    stored = load_file(run / "adapter.safetensors")
    parameters = sum(value.numel() for value in stored.values())
    assert parameters == result["parameters"]["trainable"]
    assert result["parameters"]["total"] > 5 * parameters


@pytest.mark.slow
def test_resolved_config_runs_in_plain_mmengine(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell(iters=2)
    (tmp_path / "config.py").write_text(cfg.pretty_text)
    code = (
        "from mmengine.config import Config; from mmengine.runner import Runner\n"
        "Runner.from_cfg(Config.fromfile('config.py')).train()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line["iter"] for line in lines_of(tmp_path / "run") if "miou_pct" in line] == [2]


def test_existing_run_is_replaced_only_with_overwrite(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell(iters=1)
    train(cfg, device="cpu")
    before = (tmp_path / "run" / "result.json").read_text()
    with pytest.raises(OutputExists, match="holds a run.*--overwrite"):
        train(cfg, device="cpu")
    assert (tmp_path / "run" / "result.json").read_text() == before
    train(cfg, device="cpu", overwrite=True)
    with pytest.raises(CheckpointMismatch, match="the run is finished"):
        train(cfg, device="cpu", resume=True)


def test_folder_of_somebody_else_is_never_deleted(tiny_cell, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    cfg = tiny_cell(iters=1)
    with pytest.raises(OutputExists, match="holds no run of rs-adapt"):
        train(cfg, device="cpu", overwrite=True)
    assert (tmp_path / "run" / "thesis.txt").is_file()


def test_resume_with_other_options_is_refused(tiny_cell) -> None:
    cfg = tiny_cell()
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", hooks=[SignalAt(2)])
    other = tiny_cell(overrides=("optim.lr=0.5",))
    with pytest.raises(
        CheckpointMismatch, match=r"the configuration has changed\. First difference: `.*0\.0001.*` is now `.*0\.5"
    ):
        train(other, device="cpu", resume=True)


def test_bad_data_stop_the_run_before_its_folder_is_made(tiny_cell, loveda_root: Path, tmp_path: Path) -> None:
    (loveda_root / "loveda" / "rural" / "train" / "ann_dir" / "2.png").unlink()
    cfg = tiny_cell()
    with pytest.raises(DataError, match=r"without label, first .*ann_dir/2\.png"):
        train(cfg, device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("strategy.confidence=0.9", "weighting is 'none', so .* would have no effect"),
        ("strategy.align=2", "strategy.align is 2"),
        ("strategy.ema_decay=2.0", "strategy.ema_decay is 2.0; it must be from 0 to below 1"),
        ("strategy.warmup_iters=6", "the run has 6 iterations: it would never see the target"),
    ],
)
def test_a_strategy_that_cannot_be_stops_the_run_before_its_folder_is_made(
    tiny_cell, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(tiny_cell(overrides=(override,)), device="cpu")
    assert not (tmp_path / "run").exists()


def test_dry_run_checks_and_writes_nothing(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell()
    plan = check_training(cfg, device="cpu")
    assert plan.tiles == {"labelled": 4, "unlabelled": 4, "val": 2, "source_val": 2, "label_free": 2, "test": 2}
    assert plan.parameters["adapter"] > 0
    assert not (tmp_path / "run").exists()


def test_loss_that_is_not_finite_stops_the_run_and_saves_the_state_before_it(
    tiny_cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SelfTraining.loss
    monkeypatch.setattr(
        SelfTraining,
        "loss",
        lambda self, source, target: {
            name: value * (float("nan") if int(self.iteration) == 4 else 1)
            for name, value in original(self, source, target).items()
        },
    )
    cfg = tiny_cell()
    with pytest.raises(NonFiniteLoss, match=r"In iteration 4, the loss is nan\. .*state\.pth"):
        train(cfg, device="cpu")
    state = torch.load(tmp_path / "run" / "state.pth", weights_only=True)
    assert state["iteration"] == 3
    assert all(torch.isfinite(value).all() for value in state["model"].values())
