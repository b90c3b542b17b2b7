"""Data that change between the parts of a run, or between a run and its evaluation, are noticed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.hooks import Hook
from PIL import Image

from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import CheckpointMismatch, ScoresError
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.evaluation import score_checkpoint
from rs_adapt.reports.comparison_tables import changed_data_line
from rs_adapt.runs.data import NOT_RECORDED
from rs_adapt.runs.run import Run
from rs_adapt.scores.comparison import compare_runs

# The tiles of these tests are few of those that the bench has, which each result states first.
PARTIAL = (
    "Partial data: trained on 4 of 5464 tiles of loveda/rural/train and 4 of 4624 tiles of loveda/urban/train; scored "
    "on 2 of 2708 tiles of loveda/urban/val and 2 of 3968 tiles of loveda/rural/val."
)
SCORED = "Partial data: scored on 2 of 2708 tiles of loveda/urban/val."


class StopAt(Hook):  # type: ignore[misc]
    """Asks the run to stop after an iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == self.iteration:
            next(hook for hook in runner.hooks if hasattr(hook, "request_stop")).request_stop()


class CallAt(Hook):  # type: ignore[misc]
    """Calls a function after an iteration."""

    def __init__(self, iteration: int, function: Callable[[], object]) -> None:
        self.iteration, self.function = iteration, function

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == self.iteration:
            self.function()


def relabel(path: Path) -> None:
    """Exchange two classes of a label in the manner of a correction that leaves size and time of the file alone."""
    before = path.stat()
    with Image.open(path) as image:
        label = np.array(image)
    label[: len(label) // 2] = 1 + label[: len(label) // 2] % 3
    Image.fromarray(label).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def stopped(tiny_cell, trained_once) -> Any:
    """Return the configuration of a run that stopped after two iterations."""
    cfg = tiny_cell("da", iters=3)

    def stop() -> None:
        with pytest.raises(Interrupted):
            train(cfg, device="cpu", hooks=[StopAt(2)])

    trained_once("run", stop)
    return cfg


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("label", r"the labelled training tiles \(1 with other labels.*, first 2; 4 then, 4 now\)"),
        ("more", r"the labelled training tiles \(1 added, first 9; 4 then, 5 now\)"),
        ("fewer", r"the labelled training tiles \(1 removed, first 2; 4 then, 3 now\)"),
        ("target", r"the unlabelled training tiles \(1 with other images, first 2; 4 then, 4 now\)"),
    ],
)
def test_resume_on_changed_data_is_refused(stopped: Any, loveda_root: Path, change: str, message: str) -> None:
    source, target = (loveda_root / "loveda" / region / "train" for region in ("rural", "urban"))
    if change == "label":
        relabel(source / "ann_dir" / "2.png")
    elif change == "target":
        with Image.open(target / "img_dir" / "2.png") as image:
            image.transpose(Image.Transpose.ROTATE_180).save(target / "img_dir" / "2.png")
    for kind in ("img_dir", "ann_dir"):
        if change == "more":
            shutil.copy(source / kind / "2.png", source / kind / "9.png")
        elif change == "fewer":
            (source / kind / "2.png").unlink()
    for function in (train, check_training):
        with pytest.raises(CheckpointMismatch, match=f"cannot resume .*the data have changed.*{message}.*--overwrite"):
            function(stopped, device="cpu", resume=True)


def test_files_written_again_with_the_same_pixels_are_no_change(stopped: Any, loveda_root: Path) -> None:
    for path in (loveda_root / "loveda" / "rural" / "train").rglob("*.png"):
        with Image.open(path) as image:
            image.load()
            image.save(path, compress_level=9)
    assert train(stopped, device="cpu", resume=True).notes == (PARTIAL,)


def test_run_without_fingerprints_is_resumed_and_its_result_says_so(stopped: Any, tmp_path: Path) -> None:
    # As versions without fingerprints wrote it.
    (tmp_path / "run" / "data.json").unlink()
    start = json.loads((tmp_path / "run" / "cell.json").read_text())
    del start["data"], start["notes"]
    (tmp_path / "run" / "cell.json").write_text(json.dumps(start))
    result = train(stopped, device="cpu", resume=True)
    assert (result.notes, result.data) == ((PARTIAL, NOT_RECORDED), {})


def test_records_of_a_run_hold_fingerprints_of_its_data(tiny_cell, tmp_path: Path) -> None:
    train(tiny_cell("da", iters=1), device="cpu")
    run = Run.read(tmp_path / "run")
    assert run.start is not None
    assert run.result is not None
    assert run.manifest is not None
    assert set(run.start.data) == {"labelled", "unlabelled", "val", "source_val", "label_free", "test"}
    assert run.start.data == run.result.data == run.manifest.data
    assert run.start.data["val"] == run.start.data["test"]
    assert run.start.data["labelled"].tiles == 4


def test_evaluation_on_changed_data_says_so_and_is_not_compared(tiny_cell, loveda_root: Path, tmp_path: Path) -> None:
    train(tiny_cell("da", iters=1), device="cpu")
    run = tmp_path / "run"

    def score(name: str) -> Any:
        return score_checkpoint(recompose(run), run, split="test", out_dir=tmp_path / name, device="cpu")

    same = score("same")
    assert ([*same.notes], same.data["test"]) == ([PARTIAL, SCORED], Run.read(run).result.data["test"])  # type: ignore[union-attr]
    assert compare_runs(run, tmp_path / "same").miou.points == 0
    # The images of the evaluation alone: the labels, and so the row sums of the matrices, are what they were.
    image = loveda_root / "loveda" / "urban" / "val" / "img_dir" / "1.png"
    with Image.open(image) as before:
        before.transpose(Image.Transpose.ROTATE_180).save(image)
    (*_, note) = score("changed").notes
    assert note == (
        "The data differ from those of the training run: the test tiles (1 with other images, first 1; 2 then, 2 now). "
        "The scores of the two are not comparable."
    )
    with pytest.raises(ScoresError, match=r"The images or labels of urban val were not the same when"):
        compare_runs(run, tmp_path / "changed")


def test_runs_trained_on_other_labels_are_compared_with_a_line(tiny_cell, loveda_root: Path, tmp_path: Path) -> None:
    train(tiny_cell("da", iters=1), device="cpu")
    train(tiny_cell("da", iters=1, run="again"), device="cpu")
    relabel(loveda_root / "loveda" / "rural" / "train" / "ann_dir" / "2.png")
    train(tiny_cell("da", iters=1, run="corrected"), device="cpu")
    same = compare_runs(tmp_path / "run", tmp_path / "again")
    assert (same.trained_on_other_data, changed_data_line(same)) == ([], None)
    other = compare_runs(tmp_path / "run", tmp_path / "corrected")
    assert other.trained_on_other_data == other.to_json()["trained_on_other_data"] == ["labelled"]
    assert changed_data_line(other) == (
        "The data changed between the two runs: the labelled training tiles are not the same, so the difference is "
        "not one of methods."
    )


def test_labels_that_change_while_a_run_trains_are_stated(tiny_cell, loveda_root: Path, tmp_path: Path) -> None:
    label = loveda_root / "loveda" / "rural" / "train" / "ann_dir" / "2.png"
    train(tiny_cell("da", iters=3), device="cpu", hooks=[CallAt(2, lambda: relabel(label))])
    run = Run.read(tmp_path / "run")
    assert run.result is not None
    assert run.manifest is not None
    note = (
        "The data changed while the run trained: the labelled training tiles (1 with other labels or masks, first 2; 4 "
        "then, 4 now). It learnt or was scored on a mixture; train again."
    )
    assert [*run.result.notes] == [*run.manifest.notes] == [PARTIAL, note]
