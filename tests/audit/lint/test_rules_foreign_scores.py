"""Views, classes and windows that change a score, planted in files of other programs, are named with their lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.foreign_layouts import LAYOUTS, MMDET, MMSEG, line_of, lint, only, serious

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


@pytest.mark.parametrize(
    ("layout", "old", "new", "said"),
    [
        ("pairs", "num_classes = len(classes)", "num_classes = len(classes) - 1", "6, but train_dataloader.dataset.so"),
        ("pairs", "[1.0] * num_classes + [0.1]", "[1.0] * 6 + [0.1, 0.1, 0.1]", "9 weights for 7 classes"),
        ("pairs", "target = dict(\n    type='LoveDADataset', metainfo=dict(classes=classes)",
         "target = dict(\n    type='LoveDADataset', metainfo=dict(classes=('water', ) + classes[:3] + classes[4:])",
         "in a different order: background, building"),
        ("mmdet", "metainfo=dict(classes=('ship', 'plane')), test", "classes=('ship', 'car'), test", "has others"),
        ("mmdet", "palette=[(1, 2, 3), (4, 5, 6)]", "palette=[(1, 2, 3)]", "1 colours for 2 classes"),
        ("mmdet", "bbox_head=dict(num_classes=2)", "bbox_head=dict(num_classes=80)", "80, but "),
    ],
)  # fmt: skip
def test_classes_that_do_not_match(write: Write, layout: str, old: str, new: str, said: str) -> None:
    path = write(LAYOUTS[layout], (old, new))
    found = [one for one in lint(path) if one.rule == "class-list"]
    assert {one.level for one in found} == {"error"}
    assert said in found[0].found
    assert found[0].line is not None


def test_classes_that_a_known_data_set_has_without_listing_them(write: Write) -> None:
    path = write(MMSEG, ("num_classes=6, norm_cfg", "num_classes=7, norm_cfg"), base="model")
    found = only(path, "class-list")
    assert (found.key, found.found) == ("model.decode_head.num_classes", "7, but PotsdamDataset has 6 classes")
    assert "num_classes=7" in line_of(found)


def test_colours_in_a_different_order_are_a_warning(write: Write) -> None:
    path = write(
        MMDET,
        ("metainfo=dict(classes=('ship', 'plane')), test_mode",
         "metainfo=dict(classes=('ship', 'plane'), palette=[(4, 5, 6), (1, 2, 3)]), test_mode"),
    )  # fmt: skip
    assert {one.level for one in lint(path) if one.rule == "class-list"} == {"warning"}


def test_two_classes_may_have_one_output(write: Write) -> None:
    assert serious(write(MMDET, ("mask_head=dict(num_classes=2)", "mask_head=dict(num_classes=1)"))) == []


def test_zero_labels_that_are_reduced_in_one_place_of_two(write: Write) -> None:
    path = write(
        MMSEG,
        ("        data_root=data_root,\n", "        data_root=data_root, reduce_zero_label=False,\n"),
        base="data",
    )
    found = only(path, "class-list")
    assert "True, but train_dataloader.dataset.reduce_zero_label is False" in found.found
    assert "reduce_zero_label=True" in line_of(found)


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
