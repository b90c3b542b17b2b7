"""Views, classes and windows that change a score, planted in files of other programs, are named with their lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.foreign_layouts import BEFORE_MMENGINE, LAYOUTS, MMSEG, PAIRS, line_of, lint, only, serious

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("layout", "old", "new", "word"),
    [
        ("before mmengine", "flip=False", "flip=True", "flips"),
        ("before mmengine", "img_scale=(1024, 512)", "img_scale=[(1024, 512), (2048, 1024)]", "2 sizes"),
        ("before mmengine", "flip=False", "img_ratios=[0.5, 1.0, 1.5], flip=True", "3 sizes and flips"),
    ],
)
def test_views_that_are_averaged_before_mmengine(write: Write, layout: str, old: str, new: str, word: str) -> None:
    found = only(write(LAYOUTS[layout], (old, new)), "test-time-augmentation")
    assert found.level == "warning"
    assert f"{word} of each image" in found.found
    assert "MultiScaleFlipAug" in line_of(found)


def test_views_that_are_averaged_with_mmengine(write: Write) -> None:
    more = "test_dataloader = dict(dataset=dict(pipeline={{_base_.tta_pipeline}}))\n"
    found = only(write(MMSEG, more=more), "test-time-augmentation")
    assert "6 views of each image (TestTimeAug)" in found.found
    assert found.file.endswith("data.py")
    # What `tools/test.py --tta` prints into its log.
    found = only(
        write(MMSEG, more="model = dict(_delete_=True, type='SegTTAModel', module=dict())\n"), "test-time-augmentation"
    )
    assert "type='SegTTAModel'" in line_of(found)


def test_windows_that_skip_pixels(write: Write) -> None:
    found = only(write(MMSEG, ("stride=(341, 341)", "stride=(768, 768)"), base="model"), "inference-mode")
    assert (found.level, found.found) == ("error", "windows of 512 x 512 px every 768 x 768 px")
    assert "stride=(768, 768)" in line_of(found)


@pytest.mark.parametrize("mode", ["slide", "whole"])
def test_images_larger_than_the_crops_of_training_are_a_note(write: Write, mode: str) -> None:
    more = f"model = dict(test_cfg=dict(mode='{mode}'))\ntrain_dataloader = dict()\n"
    old = "dict(type='Resize', scale=(512, 512)"
    path = write(MMSEG, (old, old.replace("512, 512", "1024, 1024")), base="data", more=more)
    (found,) = [one for one in lint(path) if one.rule == "inference-mode"]
    how = "in windows of 512 x 512 px" if mode == "slide" else "whole"
    assert found.level == "note"
    assert (
        f"{mode}: images of 1024 x 1024 px are predicted {how}, after training on crops of 512 x 512 px" in found.found
    )
    assert line_of(found).startswith("model = dict(test_cfg=dict(mode=")


def test_windows_of_one_number_are_square(write: Write) -> None:
    old, new = "crop_size=(512, 512), stride=(341, 341)", "crop_size=512, stride=(512, 768)"
    found = only(write(MMSEG, (old, new), base="model"), "inference-mode")
    assert found.found == "windows of 512 x 512 px every 512 x 768 px"


def test_sizes_of_mmdetection_before_mmengine(write: Write) -> None:
    path = write(BEFORE_MMENGINE, ("img_scale=(1024, 512)", "scale_factor=[0.5, 1.0, 2.0]"))
    assert "3 sizes of each image" in only(path, "test-time-augmentation").found


def test_other_configurations_of_a_log_are_named(tmp_path: Path) -> None:
    stamp = "2025/01/01 12:00:00 - mmengine - INFO - "
    clean = PAIRS.partition("\n")[2]
    text = clean.replace(" + '/urban/val/", " + '/urban/train/", 1)
    log = tmp_path / "x.log"
    log.write_text(f"{stamp}Config:\n{text}\n{stamp}Config:\n{clean}\n{stamp}end\n")
    found = only(log, "read-without-a-cell")
    assert "other configurations before this one (line 2)" in found.found
    # A resumed training prints the same again.
    log.write_text(f"{stamp}Config:\n{text}\n{stamp}Config:\n{text}\n{stamp}end\n")
    assert serious(log) == ["warning tile-in-train-and-val"]


def test_a_loader_whose_name_says_nothing_is_named(write: Write) -> None:
    more = "calib_loader_dataloader = dict(dataset=dict(type='X', data_prefix=dict(img_path='d')))\n"
    path = write(PAIRS, more=more)
    found = only(path, "read-without-a-cell")
    assert (found.level, found.key) == ("warning", "calib_loader_dataloader")
    # A second look at the test is none of training.
    assert serious(write(PAIRS, more="eval_dataloader = test_dataloader\n")) == []
