"""Leaks of the target planted in files of other programs are named with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.foreign_layouts import BEFORE_MMENGINE, LAYOUTS, MMSEG, PAIRS, line_of, lint, only, serious

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("layout", "old", "new"),
    [
        ("pairs", "pipeline=target_pipeline", "pipeline=source_pipeline[:1] + source_pipeline[1:]"),
        ("before mmengine", "pipeline=city", "pipeline=gta"),
    ],
)
def test_labels_beside_the_targets_images_are_a_warning(write: Write, layout: str, old: str, new: str) -> None:
    found = only(write(LAYOUTS[layout], (old, new)), "target-labels-in-training")
    assert found.level == "warning"
    assert "LoadAnnotations" in line_of(found)
    assert "whether it uses them, the file does not say" in found.consequence


@pytest.mark.parametrize(
    ("layout", "old", "new"),
    [
        (
            "pairs",
            "target_pipeline = load + [dict(type='RandomCrop', crop_size=(512, 512))]",
            "target_pipeline = load + [dict(type='LoadAnnotations'), dict(type='RandomCrop', cat_max_ratio=0.75)]",
        ),
        (
            "before mmengine",
            "city = [dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=crop_size)]",
            "city = [dict(type='LoadAnnotations'), dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75)]",
        ),
    ],
)
def test_crops_of_the_target_by_its_labels_are_an_error(write: Write, layout: str, old: str, new: str) -> None:
    path = write(LAYOUTS[layout], (old, new))
    found = only(path, "target-labels-in-training")
    assert (found.level, found.file) == ("error", str(path))
    assert "cat_max_ratio=0.75" in line_of(found)
    assert found.key.endswith("cat_max_ratio")


def test_pseudo_labels_of_the_target_are_none_of_its_labels(write: Write) -> None:
    path = write(
        BEFORE_MMENGINE, ("pipeline=city", "pipeline=gta"), ("ann_dir='gtFine/train'", "ann_dir='pseudo_labels'")
    )
    assert serious(path) == []


@pytest.mark.parametrize(
    "dataset",
    [
        "dict(type='SemiDataset', labeled=source, unlabeled=target)",
        "dict(type='ConcatDataset', datasets=[source, target])",
    ],
)
def test_a_step_that_loads_no_labels_makes_an_unlabelled_set(write: Write, dataset: str) -> None:
    change = ("dict(type='UDADataset', source=source, target=target)", dataset)
    path = write(
        PAIRS, ("target_pipeline = load", "target_pipeline = load + [dict(type='LoadEmptyAnnotations')]"), change
    )
    assert serious(path) == []
    assert "target without labels: data/loveda_uda/urban/train" in lint(path)[-1].found


def test_training_with_labels_on_the_targets_images(write: Write) -> None:
    path = write(PAIRS, ("f'{root}/rural/train/img_dir'", "f'{root}/urban/train/img_dir'"))
    found = only(path, "target-labels-in-training")
    assert (found.level, found.key) == ("error", "train_dataloader.dataset.source")
    assert "urban/train/img_dir, as train_dataloader.dataset.target does" in found.found


@pytest.mark.parametrize("layout", ["mmseg", "pairs", "before mmengine", "generalization", "new style"])
def test_the_best_checkpoint_on_what_is_reported(write: Write, layout: str) -> None:
    saved = "\ndefault_hooks = dict(checkpoint=dict(interval=1,\n    save_best='mIoU'))\n"
    if layout == "before mmengine":
        saved = "\nevaluation = dict(interval=1, metric='mIoU',\n    save_best='mIoU')\n"
    text = LAYOUTS[layout]
    if layout == "pairs":
        text = text.replace("/urban/test/", "/urban/val/")
    path = write(text, more=saved)
    # In one region, all labels may choose; the reported tiles may not.
    wanted = ["error val-is-test"] + ["error selection-on-target-labels"] * (layout not in ("mmseg", "new style"))
    assert serious(path) == wanted
    found = only(path, "val-is-test")
    assert "save_best='mIoU' chooses the checkpoint on it (config.py:" in found.found
    assert "test" in line_of(found)
    if len(wanted) > 1:
        chosen = only(path, "selection-on-target-labels")
        assert "save_best='mIoU'" in line_of(chosen)
        assert chosen.file == str(path)


def test_choosing_on_val_and_reporting_on_test_is_no_fault_in_one_region(write: Write) -> None:
    saved = "default_hooks = dict(checkpoint=dict(save_best='mIoU'))\n"
    other = "test_dataloader = dict(dataset=dict(data_prefix=dict(img_path='img_dir/test')))\n"
    assert serious(write(MMSEG, more=saved + other)) == []
    assert serious(write(MMSEG, more=saved)) == ["error val-is-test"]


def test_choosing_on_tiles_of_the_source_is_no_fault(write: Write) -> None:
    path = write(
        PAIRS,
        ("root + '/urban/val/img_dir'", "root + '/rural/val/img_dir'"),
        more="default_hooks = dict(checkpoint=dict(save_best='mIoU'))\n",
    )
    assert serious(path) == []


def test_a_hook_that_stops_early_chooses_too(write: Write) -> None:
    path = write(PAIRS, more="custom_hooks = [dict(type='EMAHook'), dict(type='EarlyStoppingHook', monitor='mIoU')]\n")
    found = only(path, "selection-on-target-labels")
    assert found.key == "custom_hooks.1"
    assert "EarlyStoppingHook" in line_of(found)


def test_a_split_that_is_only_watched_is_a_note(write: Write) -> None:
    (found,) = [one for one in lint(write(MMSEG)) if one.rule == "val-is-test"]
    assert found.level == "note"
    assert found.file.endswith("data.py")
    assert line_of(found) == "test_dataloader = val_dataloader"


@pytest.mark.parametrize("layout", ["mmseg", "new style"])
def test_images_that_are_trained_on_and_scored(write: Write, layout: str) -> None:
    found = only(write(LAYOUTS[layout], ("img_dir/val", "img_dir/train"), base="data"), "tile-in-train-and-val")
    assert (found.level, found.key) == ("error", "test_dataloader.dataset")
    assert found.file.endswith("data.py")
    assert "data/potsdam/img_dir/train is scored, and trained on with labels" in found.found


def test_unlabelled_images_that_are_scored_are_a_warning(write: Write) -> None:
    found = only(
        write(PAIRS, ("root + '/urban/val/img_dir'", "root + '/urban/train/img_dir'")), "tile-in-train-and-val"
    )
    assert found.level == "warning"


TRAIN_PREFIX = "data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train')"


@pytest.mark.parametrize(
    "merged",
    [
        "data_prefix=dict(img_path='img_dir/trainval', seg_map_path='ann_dir/trainval')",
        "data_prefix=dict(img_path='img_dir/train_val', seg_map_path='ann_dir/train_val')",
        "data_prefix=dict(img_path=['img_dir/train', 'img_dir/val'], seg_map_path=['ann_dir/train', 'ann_dir/val'])",
        "data_prefix=dict(img_path='img', seg_map_path='ann'), ann_file='splits/trainval.txt'",
        "data_prefix=dict(img_path='img', seg_map_path='ann'), ann_file='splits/train+val.txt'",
    ],
)
def test_train_and_val_in_one_training(write: Write, merged: str) -> None:
    path = write(MMSEG, (TRAIN_PREFIX, merged), base="data")
    found = only(path, "validation-in-training")
    assert (found.level, Path(found.file).name) == ("error", "data.py")
    assert line_of(found).strip() == f"{merged},"
    # With a test split that is reported, nothing of it was learnt; the validation split chooses nothing any more.
    apart = "test_dataloader = dict(dataset=dict(data_prefix=dict(img_path='img_dir/test')))\n"
    assert serious(write(MMSEG, more=apart)) == ["warning validation-in-training"]


def test_train_and_val_as_two_sets(write: Write) -> None:
    more = """train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=[
    dict(type='PotsdamDataset', data_root='data/potsdam', data_prefix=dict(img_path='img_dir/train')),
    dict(type='PotsdamDataset', data_root='data/potsdam', data_prefix=dict(img_path='img_dir/val'))]))
"""
    assert serious(write(MMSEG, more=more)) == ["error tile-in-train-and-val"]


def test_names_that_only_sound_like_a_split(write: Write) -> None:
    moved = "data_prefix=dict(img_path='valencia/train', seg_map_path='ann_dir/train'), ann_file='interval.txt'"
    assert serious(write(MMSEG, (TRAIN_PREFIX, moved), base="data")) == []


def test_a_source_may_train_on_all_of_its_splits(write: Write) -> None:
    assert serious(write(PAIRS, ("/rural/train/img_dir", "/rural/trainval/img_dir"))) == []
