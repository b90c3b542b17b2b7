"""A shipped bench of which tiles or classes are missing, or whose labels begin at another value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets import completeness
from rs_adapt.datasets.tile_sets import published_tiles
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import DataError
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.evaluation import score_checkpoint
from rs_adapt.runs.run import Run
from tests.engine.test_changed_data import StopAt

NOTE = (
    "Partial data: trained on 4 of 5464 tiles of loveda/rural/train and 4 of 4624 tiles of loveda/urban/train; scored "
    "on 2 of 2708 tiles of loveda/urban/val and 2 of 3968 tiles of loveda/rural/val."
)
WHOLE = ("bench.partial=false",)


@pytest.fixture
def as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the numbers of tiles of these tests be the published ones."""

    def published(bench: Any, data_root: Path) -> dict[Path, tuple[int, int | None]]:
        folders = published_tiles(bench, data_root)
        return {folder: (side, 4 if "train" in folder.parts else 2) for folder, (side, _) in folders.items()}

    monkeypatch.setattr(completeness, "published_tiles", published)


def edit_labels(root: Path, change: Any, region: str = "rural") -> None:
    for path in (root / "loveda" / region / "train" / "ann_dir").iterdir():
        with Image.open(path) as image:
            label = np.array(image)
        Image.fromarray(change(label).astype(np.uint8)).save(path)


@pytest.mark.parametrize("function", [train, check_training])
def test_missing_tiles_are_refused_with_what_to_do(tiny_cell, tmp_path: Path, function: Any) -> None:
    cfg = tiny_cell(overrides=WHOLE)
    with pytest.raises(DataError) as refused:
        function(cfg, device="cpu")
    message = str(refused.value)
    assert message.startswith("The data of bench loveda_r2u are not complete: 4 of 5464 tiles of loveda/rural/train; ")
    assert "rs-adapt data fetch loveda" in message
    assert "--partial" in message
    assert not (tmp_path / "run").exists()


def test_partial_data_are_stated_in_every_record(tiny_cell, tmp_path: Path) -> None:
    plan = check_training(tiny_cell(iters=1), device="cpu")
    assert plan is not None
    assert plan.notes == (NOTE,)
    train(tiny_cell(iters=1), device="cpu")
    run = Run.read(tmp_path / "run")
    assert run.start is not None
    assert run.result is not None
    assert run.manifest is not None
    assert [*run.start.notes] == [*run.result.notes] == [*run.manifest.notes] == [NOTE]
    result = score_checkpoint(
        recompose(run.folder), run.folder, split="source-val", out_dir=tmp_path / "scored", device="cpu"
    )
    assert [*result.notes] == [NOTE, "Partial data: scored on 2 of 3968 tiles of loveda/rural/val."]


def test_complete_data_need_no_option_and_give_no_note(tiny_cell, as_published: None) -> None:
    for overrides in (WHOLE, ("bench.partial=true",)):
        plan = check_training(tiny_cell(overrides=overrides), device="cpu")
        assert plan is not None
        assert plan.notes == ()


def test_run_that_began_without_the_option_is_resumed(
    tiny_cell, as_published: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = tiny_cell(overrides=WHOLE, iters=3)
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", hooks=[StopAt(2)])
    # As a run of a version that did not compare the numbers.
    monkeypatch.setattr(completeness, "published_tiles", published_tiles)
    result = train(cfg, device="cpu", resume=True)
    assert result is not None
    assert result.notes == (NOTE,)


def test_more_tiles_than_published_are_refused_too(tiny_cell, as_published: None, loveda_root: Path) -> None:
    for kind in ("img_dir", "ann_dir"):
        folder = loveda_root / "loveda" / "urban" / "val" / kind
        (folder / "7.png").write_bytes((folder / "1.png").read_bytes())
    with pytest.raises(DataError, match=r"are not complete: 3 of 2 tiles of loveda/urban/val\. "):
        check_training(tiny_cell(overrides=WHOLE), device="cpu")


def test_missing_classes_are_refused(tiny_cell, as_published: None, loveda_root: Path) -> None:
    edit_labels(loveda_root, lambda label: np.where(np.isin(label, (3, 4)), 1, label))
    with pytest.raises(DataError, match=r"are not complete: no pixel of road, water in the training labels\."):
        check_training(tiny_cell(overrides=WHOLE), device="cpu")
    plan = check_training(tiny_cell(), device="cpu")
    assert plan is not None
    assert plan.notes == ("Partial data: no pixel of road, water in the training labels.",)


def test_tiles_without_a_labelled_pixel_are_left_out_and_counted(
    tiny_cell, as_published: None, loveda_root: Path
) -> None:
    path = loveda_root / "loveda" / "rural" / "train" / "ann_dir" / "1.png"
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    plan = check_training(tiny_cell(), device="cpu")
    assert plan is not None
    note = "1 of 4 labelled training tiles have no labelled pixel and are left out."
    assert plan.notes == (note,)


def test_labels_that_count_classes_from_zero_are_refused(tiny_cell, loveda_root: Path) -> None:
    edit_labels(loveda_root, lambda label: np.where(label == 7, 6, label))
    message = "the labels hold the values 0 to 6, so they seem to count the 7 classes from 0"
    with pytest.raises(DataError, match=re.escape(message)):
        check_training(tiny_cell(), device="cpu")


def test_labels_without_a_pixel_of_no_data_are_taken(tiny_cell, as_published: None, loveda_root: Path) -> None:
    edit_labels(loveda_root, lambda label: np.where(label == 0, 1, label))
    assert check_training(tiny_cell(overrides=WHOLE), device="cpu") is not None
