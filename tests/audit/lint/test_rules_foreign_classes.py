"""Classes of configurations of other programs that do not match are named with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.foreign_layouts import LAYOUTS, MMDET, MMSEG, PAIRS, line_of, lint, only, serious

Write = Callable[..., Path]
PREFIX = "        data_root=data_root,\n"


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


KNOWN = PAIRS.replace("metainfo=dict(classes=classes), ", "")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (["background", "road", "building", "water", "barren", "forest", "agricultural"], "a different order"),
        (["building", "road", "water", "barren", "forest", "agricultural"], "has others"),
    ],
)
def test_a_list_beside_one_that_a_known_data_set_has(write: Write, stated: list[str], said: str) -> None:
    assert serious(write(KNOWN)) == []
    plain = "pipeline=test_pipeline,\n    data_prefix=dict(img_path=root + '/urban/test"
    found = only(write(KNOWN, (plain, f"metainfo=dict(classes={stated}), {plain}")), "class-list")
    assert said in found.found
    assert found.key == "test_dataloader.dataset.metainfo.classes"
    assert "metainfo" in line_of(found)


def test_spelling_of_a_known_class_is_free(write: Write) -> None:
    names = "['Impervious surface', 'Building', 'Low vegetation', 'Tree', 'Car', 'Clutter']"
    path = write(MMSEG, (PREFIX, f"{PREFIX}        metainfo=dict(classes={names}),\n"), base="data")
    assert serious(path) == []


def test_known_data_sets_of_different_classes(write: Write) -> None:
    loader = "train_dataloader = dict("
    found = only(write(KNOWN, (loader, f"target.update(type='PotsdamDataset')\n{loader}")), "class-list")
    assert "impervious_surface" in found.found
    assert found.key == "train_dataloader.dataset.target"


def test_the_head_is_held_to_what_is_trained(write: Write) -> None:
    listed = (
        "test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, metainfo=dict(\n"
        "    classes=['a', 'b']), data_prefix=dict(img_path='img_dir/test'), pipeline=test_pipeline))\n"
    )
    path = write(MMSEG, ("test_dataloader = val_dataloader\n", listed), base="data")
    found = only(path, "class-list")
    assert found.key == "test_dataloader.dataset.metainfo.classes"


def test_colours_in_capitals_have_their_line(write: Write) -> None:
    path = write(
        MMDET,
        ("pipeline = [", "info = dict(CLASSES=['ship', 'plane'],\n    PALETTE=[(1, 2, 3)])\npipeline = ["),
        ("metainfo=dict(classes=('ship', 'plane'), palette=[(1, 2, 3), (4, 5, 6)])", "metainfo=info"),
    )
    assert "PALETTE" in line_of(only(path, "class-list"))


def test_zero_labels_of_a_known_data_set_and_of_two_sets(write: Write) -> None:
    # Its class reduces them, whatever the step says.
    step = "LoadAnnotations', reduce_zero_label="
    path = write(MMSEG, (f"{step}True", f"{step}False"), base="data")
    (shifted,) = [one for one in lint(path) if one.rule == "class-list"]
    assert shifted.found == "False, but train_dataloader.dataset.reduce_zero_label is True by PotsdamDataset"
    path = write(
        PAIRS,
        ("classes=classes), pipeline=source", "classes=classes), reduce_zero_label=True, pipeline=source"),
        ("classes=classes), pipeline=target", "classes=classes), reduce_zero_label=False, pipeline=target"),
    )
    found = [one for one in lint(path) if one.rule == "class-list"]
    assert [one.key for one in found] == ["train_dataloader.dataset.target.reduce_zero_label"]
