"""Images, lists and regions of configurations of other programs that overlap in part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.foreign_layouts import PAIRS, line_of, lint, only, serious

Write = Callable[..., Path]
BEST = "default_hooks = dict(checkpoint=dict(save_best='mIoU'))\n"


def sets(train: str, val: str, test: str, more: str = "") -> str:
    """Return a configuration of one set for each of training, validation and test, by what they read."""
    step = "pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]"
    loaders = (
        f"{name}_dataloader = dict(dataset=dict(type='A',\n    data_root='data/potsdam', {step},\n    {reads}))\n"
        for name, reads in (("train", train), ("val", val), ("test", test))
    )
    return "".join(loaders) + more


def images(path: str, names: str = "") -> str:
    listed = f", ann_file={names}" if names else ""
    return f"data_prefix=dict(img_path={path}){listed}"


VAL, TEST = images("'img_dir/val'"), images("'img_dir/test'")


@pytest.mark.parametrize(
    ("train", "wanted"),
    [
        (images("['img_dir/train', 'img_dir/test']"), "validation-in-training"),
        (images("['tiles/one', 'img_dir/test']"), "validation-in-training"),
        (images("'img_dir'"), "tile-in-train-and-val"),
        (images("'./img_dir/../img_dir/test/'"), "tile-in-train-and-val"),
        (images("'data/potsdam/img_dir/test'"), "tile-in-train-and-val"),
        (images("'img_dir/test'") + ", style_bank=dict(type='Bank', source=dict(type='Images', data_root='styles'))",
         "tile-in-train-and-val"),
    ],
)  # fmt: skip
def test_a_part_of_what_is_trained_on_is_scored(write: Write, train: str, wanted: str) -> None:
    assert f"error {wanted}" in serious(write(sets(train, VAL, TEST)))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (images("'img'", "['splits/train.txt', 'splits/test.txt']"), images("'img'", "'splits/test.txt'")),
        (images("'img'", "'trainvaltest.txt'"), images("'img'", "'test.txt'")),
        (images("'img'"), images("'img'", "'test.txt'")),
        (images("'img'", "'./s/part.txt'"), images("'img'", "'s/part.txt'")),
        (images("'img'", "'s/part.txt'"), images("'img'", "'data/potsdam/s/part.txt'")),
        (images("['tiles/area1', 'tiles/area3']"), images("'tiles/area3'")),
    ],
)
def test_lists_and_areas_that_overlap(write: Write, train: str, test: str) -> None:
    assert any(one.startswith("error") for one in serious(write(sets(train, images("'elsewhere'"), test))))


def test_lists_that_differ_and_positions_that_differ_are_no_fault(write: Write) -> None:
    lists = [images("'img'", f"'fold0_{split}.txt'") for split in ("train", "val", "test")]
    assert serious(write(sets(*lists, more=BEST))) == []
    first, later = (f"{images(repr('img'))}, indices={part}" for part in ("range(0, 9)", "range(9, 12)"))
    assert serious(write(sets(first, later, TEST))) == []


def test_lists_of_a_folder_that_holds_all_splits_speak_for_themselves(write: Write) -> None:
    lists = [images("'trainval/img'", f"'{split}.txt'") for split in ("train", "val", "test")]
    assert serious(write(sets(*lists, more=BEST))) == []
    lists[0] = images("'trainval/img'", "'trainval.txt'")
    assert serious(write(sets(*lists, more=BEST))) == ["warning validation-in-training"]


def test_a_text_that_may_choose_images_is_a_doubt(write: Write) -> None:
    found = only(write(sets(TEST + ", area='north'", VAL, TEST)), "tile-in-train-and-val")
    assert (found.level, found.found.rpartition("; ")[2]) == ("warning", "area may choose others of it")
    # Two values of it choose two parts; a name, or how a set is kept in memory, chooses nothing.
    north, south = (f"{images(repr('img_dir'))}, area='{area}'" for area in ("north", "south"))
    assert serious(write(sets(north, images("'elsewhere'"), south))) == []
    named = sets(TEST + ", name='first', serialize='x'", VAL, TEST + ", name='second'")
    assert serious(write(named)) == ["error tile-in-train-and-val"]


@pytest.mark.parametrize(
    ("val", "test"),
    [
        (images("'img_dir/test'", "'small.txt'"), TEST),
        (images("'img_dir/t1'"), images("['img_dir/t1', 'img_dir/t2']")),
        (VAL + ", name='a'", VAL + ", name='b'"),
    ],
)
def test_choosing_on_a_part_of_the_reported_tiles(write: Write, val: str, test: str) -> None:
    assert serious(write(sets(images("'img_dir/train'"), val, test, more=BEST))) == ["error val-is-test"]


@pytest.mark.parametrize(
    ("trained", "scored", "apart"),
    [
        ("region1/img_dir", "region2/img_dir", True),
        ("2015/images", "2021/images", True),
        ("农村", "城市", True),
        ("rural_train", "urban_val", True),
        ("train_aug", "val", False),
        ("train_patches_512", "val_tiles_1024", False),
        ("train2017", "val2017", False),
        ("", "area1", False),
        ("TrainImages", "ValImages", False),
    ],
)
def test_regions_are_told_apart_by_their_paths(write: Write, trained: str, scored: str, *, apart: bool) -> None:
    train, val, test = (images(repr(one)) for one in (f"{trained}/train", f"{scored}/val", f"{scored}/test"))
    path = write(sets(train, val, test, more=BEST))
    assert serious(path) == ["error selection-on-target-labels"] * apart


def test_folders_of_changes_over_time_are_read(write: Write) -> None:
    pair = "data_prefix=dict(seg_map_path='{0}/label', img_path_from='{0}/A', img_path_to='{0}/B')"
    assert serious(write(sets(*(pair.format(split) for split in ("train", "val", "test")), more=BEST))) == []
    assert serious(write(sets(*(pair.format(split) for split in ("train", "val", "train"))))) == [
        "error tile-in-train-and-val"
    ]


@pytest.mark.parametrize("key", ["targets", "target1", "targetData", "dataset_t"])
def test_names_of_the_target(write: Write, key: str) -> None:
    source = "dataset_s" if key == "dataset_t" else "source"
    path = write(
        PAIRS,
        ("source=source, target=target", f"{source}=source, {key}=target"),
        ("target_pipeline = load", "target_pipeline = load + [dict(type='LoadAnnotations')]"),
        more=BEST,
    )
    assert serious(path) == ["error selection-on-target-labels", "warning target-labels-in-training"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("target_pipeline = load", "target_pipeline = load + [dict(type='MultiBranch', teacher=[LABELS])]"),
        ("target_pipeline = load", "target_pipeline = load + [dict(type='Choice', choices=dict(a=[LABELS]))]"),
        ("type='UDADataset', ", "type='UDADataset', target_pipeline=[LABELS], "),
    ],
)
def test_labels_of_the_target_are_found_in_branches(write: Write, old: str, new: str) -> None:
    labels = "dict(type='LoadAnnotations'), dict(type='RandomCrop', cat_max_ratio=0.75)"
    path = write(PAIRS, (old, new.replace("LABELS", labels)))
    assert serious(path) == ["error target-labels-in-training"]
    # The same pipeline of the source is no fault.
    if "UDADataset" in old:
        other = new.replace("LABELS", labels).replace("target_pipeline", "source_pipeline")
        assert serious(write(PAIRS, (old, other))) == []


def test_labels_of_the_targets_region_are_learnt(write: Write) -> None:
    listed = "img_path=[root + '/rural/train/img_dir', root + '/urban/train/img_dir']"
    path = write(PAIRS, ("img_path=f'{root}/rural/train/img_dir'", listed))
    assert serious(path) == ["error target-labels-in-training"]
    # Other images of the region: by the path alone, so a warning.
    path = write(PAIRS, ("f'{root}/rural/train/img_dir'", "f'{root}/urban/more/img_dir'"))
    assert serious(path)[-1] == "warning target-labels-in-training"


def test_lists_tell_two_regions_of_one_folder_apart(write: Write) -> None:
    text = PAIRS.replace("/rural/", "/").replace("/urban/", "/")
    for name, region in (("source", "rural_train"), ("target", "urban_train")):
        text = text.replace(f"pipeline={name}_pipeline", f"ann_file='{region}.txt', pipeline={name}_pipeline")
    urban = text.replace("pipeline=test_pipeline", "ann_file='urban_val.txt', pipeline=test_pipeline", 1)
    assert only(write(urban, more=BEST), "selection-on-target-labels").level == "error"
    rural = urban.replace("urban_val", "rural_val")
    assert serious(write(rural, more=BEST)) == []
    # Without a region in its list, val may be either.
    found = only(write(text, more=BEST), "selection-on-target-labels")
    assert found.level == "warning"
    assert "does not say whether that is of the source or of the target" in found.found


@pytest.mark.parametrize(
    "change",
    [
        "train_dataloader.dataset.source.data_prefix.img_path = 'data/loveda_uda/urban/test/img_dir'\n",
        "train_dataloader.dataset.source.update(data_prefix=dict(img_path='data/loveda_uda/urban/test/img_dir'))\n",
        "train_dataloader['dataset']['source']['data_prefix'] = dict(img_path='data/loveda_uda/urban/test/img_dir')\n",
    ],
)
def test_a_change_of_a_path_has_its_line(write: Write, change: str) -> None:
    path = write(PAIRS, more=change)
    line = len(path.read_text().splitlines())
    found = only(path, "tile-in-train-and-val")
    assert f"train_dataloader.dataset.source ({path.name}:{line})" in found.found
    region = only(path, "target-labels-in-training")
    assert (region.level, line_of(region)) == ("warning", change.strip())


def test_semi_supervised_training_is_no_leak(write: Write) -> None:
    names = "labeled=source, unlabeled=target"
    text = PAIRS.replace("/rural/", "/urban/").replace("source=source, target=target", names)
    text = text.replace("pipeline=source_pipeline", "ann_file='labeled.txt', pipeline=source_pipeline")
    assert [one for one in lint(write(text)) if one.level != "note"] == []
