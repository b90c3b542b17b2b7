"""Leaks planted in configurations of other programs, in the layouts that they use, are named with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rs_adapt.audit.lint.finding import Finding
from rs_adapt.audit.lint.foreign_check import FOREIGN_RULES, lint_foreign
from rs_adapt.audit.lint.foreign_subject import foreign_subject
from rs_adapt.errors import ConfigError

Write = Callable[..., Path]

LOVEDA = "('background', 'building', 'road', 'water', 'barren', 'forest', 'agricultural')"
# mmsegmentation's own layout: an in-domain data set, with the variables for test-time augmentation that all of its
# files have and that only `tools/test.py --tta` uses.
MMSEG_DATA = """\
dataset_type = 'PotsdamDataset'
data_root = 'data/potsdam'
crop_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomResize', scale=(512, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(512, 512), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs')
]
img_ratios = [0.5, 1.0, 1.5]
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[[dict(type='Resize', scale_factor=r, keep_ratio=True) for r in img_ratios],
                    [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)],
                    [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])
]
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
"""
MMSEG_MODEL = """\
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(type='VisionTransformer', num_classes=1000),
    decode_head=dict(type='UPerHead', num_classes=6, norm_cfg=norm_cfg, loss_decode=dict(type='CrossEntropyLoss')),
    auxiliary_head=[dict(type='FCNHead', num_classes=6)],
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)))
"""
MMSEG_RUNTIME = """\
default_scope = 'mmseg'
tta_model = dict(type='SegTTAModel')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=8000)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=8000))
"""
MMSEG = "_base_ = ['_base_/model.py', '_base_/data.py', '_base_/runtime.py']\n"
# A source and a target in one data set, as programs for adaptation on mmengine have them.
PAIRS = f"""\
_base_ = ['_base_/model.py', '_base_/runtime.py']
classes = {LOVEDA}
num_classes = len(classes)
root = 'data/loveda_uda'
load = [dict(type='LoadImageFromFile')]
augment = [dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')]
source_pipeline = load + [dict(type='LoadAnnotations'), dict(type='RandomCrop', crop_size=(512, 512))] + augment
target_pipeline = load + [dict(type='RandomCrop', crop_size=(512, 512))] + augment
test_pipeline = load + [dict(type='Resize', scale=(512, 512)), dict(type='LoadAnnotations')] + augment[1:]
source = dict(
    type='LoveDADataset', metainfo=dict(classes=classes), pipeline=source_pipeline,
    data_prefix=dict(img_path=f'{{root}}/rural/train/img_dir', seg_map_path=f'{{root}}/rural/train/ann_dir'))
target = dict(
    type='LoveDADataset', metainfo=dict(classes=classes), pipeline=target_pipeline,
    data_prefix=dict(img_path=root + '/urban/train/img_dir'))
train_dataloader = dict(batch_size=2, dataset=dict(type='UDADataset', source=source, target=target))
val_dataloader = dict(dataset=dict(
    type='LoveDADataset', metainfo=dict(classes=classes), pipeline=test_pipeline,
    data_prefix=dict(img_path=root + '/urban/val/img_dir', seg_map_path=root + '/urban/val/ann_dir')))
test_dataloader = dict(dataset=dict(
    type='LoveDADataset', metainfo=dict(classes=classes), pipeline=test_pipeline,
    data_prefix=dict(img_path=root + '/urban/test/img_dir', seg_map_path=root + '/urban/test/ann_dir')))
model = dict(decode_head=dict(num_classes=num_classes, loss_cls=dict(class_weight=[1.0] * num_classes + [0.1])),
             auxiliary_head=None)
"""
# Before mmengine: `data`, `evaluation`, a wrapper of scales and flips that makes one view, and a `uda` of its own.
BEFORE_MMENGINE = """\
data_root = 'data/'
crop_size = (512, 512)
gta = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='RandomCrop', crop_size=crop_size)]
city = [dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=crop_size)]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(1024, 512), flip=False, transforms=[
        dict(type='Resize', keep_ratio=True), dict(type='RandomFlip')])]
data = dict(
    samples_per_gpu=2,
    train=dict(
        type='UDADataset',
        source=dict(type='GTADataset', data_root='data/gta/', img_dir='images', ann_dir='labels', pipeline=gta),
        target=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/train',
                    ann_dir='gtFine/train', pipeline=city)),
    val=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/val',
             ann_dir='gtFine/val', pipeline=test_pipeline),
    test=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/val',
              ann_dir='gtFine/val', pipeline=test_pipeline))
model = dict(type='EncoderDecoder', decode_head=dict(type='DAFormerHead', num_classes=19),
             test_cfg=dict(mode='whole'))
uda = dict(type='DACS', alpha=0.99, pseudo_threshold=0.968)
evaluation = dict(interval=4000, metric='mIoU')
"""
# Several target sets behind one score, from bases by placeholders.
GENERALIZATION = """\
_base_ = ['_base_/model.py', '_base_/sets.py', '_base_/runtime.py']
train_dataloader = dict(batch_size=4, dataset={{_base_.train_gta}})
val_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[{{_base_.val_city}}, {{_base_.val_bdd}}]))
test_dataloader = val_dataloader
val_evaluator = dict(type='DGIoUMetric', dataset_keys=['citys', 'bdd'])
model = dict(decode_head=dict(num_classes=19), auxiliary_head=None)
"""
GENERALIZATION_SETS = """\
steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='RandomCrop', crop_size=(512, 512))]
train_gta = dict(type='GTADataset', data_root='data/gta/',
                 data_prefix=dict(img_path='images', seg_map_path='labels'), pipeline=steps)
val_city = dict(type='CityscapesDataset', data_root='data/cityscapes/',
                data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'), pipeline=steps)
val_bdd = dict(type='BDDDataset', data_root='data/bdd100k/',
               data_prefix=dict(img_path='images/10k/val', seg_map_path='labels/val'), pipeline=steps)
"""
MMDET = """\
dataset_type = 'CocoDataset'
data_root = 'data/coco/'
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
train_dataloader = dict(dataset=dict(type='RepeatDataset', times=3, dataset=dict(
    type=dataset_type, data_root=data_root, metainfo=dict(classes=('ship', 'plane'), palette=[(1, 2, 3), (4, 5, 6)]),
    ann_file='annotations/instances_train2017.json', data_prefix=dict(img='train2017/'), pipeline=pipeline)))
val_dataloader = dict(dataset=dict(
    type=dataset_type, data_root=data_root, metainfo=dict(classes=('ship', 'plane')), test_mode=True,
    ann_file='annotations/instances_val2017.json', data_prefix=dict(img='val2017/'), pipeline=pipeline))
test_dataloader = val_dataloader
model = dict(type='MaskRCNN', rpn_head=dict(type='RPNHead', num_classes=1), roi_head=dict(
    bbox_head=dict(num_classes=2), mask_head=dict(num_classes=2)))
"""
NEW_STYLE = """\
from mmengine.config import read_base
from mmengine.hooks import CheckpointHook
from mmseg.datasets import LoveDADataset

with read_base():
    from ._base_.data import *
    from ._base_.model import *

train_dataloader.dataset.update(type=LoveDADataset)
default_hooks = dict(checkpoint=dict(type=CheckpointHook, interval=8000))
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration beside its bases, with a text changed, and returns its path."""
    for name, text in {
        "data": MMSEG_DATA,
        "model": MMSEG_MODEL,
        "runtime": MMSEG_RUNTIME,
        "sets": GENERALIZATION_SETS,
    }.items():
        (tmp_path / "_base_").mkdir(exist_ok=True)
        (tmp_path / "_base_" / f"{name}.py").write_text(text)

    def write_changed(text: str, *changes: tuple[str, str], base: str = "", more: str = "") -> Path:
        path = tmp_path / "config.py"
        changed = tmp_path / "_base_" / f"{base}.py" if base else path
        path.write_text(text + more)
        for old, new in changes:
            content = changed.read_text()
            assert content.count(old) >= 1, old
            changed.write_text(content.replace(old, new, 1))
        return path

    return write_changed


def lint(path: Path) -> list[Finding]:
    return lint_foreign(foreign_subject(path))


def serious(path: Path) -> list[str]:
    return [f"{one.level} {one.rule}" for one in lint(path) if one.level != "note"]


def only(path: Path, rule: str) -> Finding:
    """Return the one finding of a rule, after a look at its line."""
    (found,) = [one for one in lint(path) if one.rule == rule and one.level != "note"]
    assert found.line is not None
    # The last part of the key, or what it names, stands in the line.
    assert found.consequence
    assert found.remedy
    return found


def line_of(finding: Finding) -> str:
    assert finding.line is not None
    return Path(finding.file).read_text().splitlines()[finding.line - 1]


LAYOUTS = {
    "mmseg": MMSEG,
    "pairs": PAIRS,
    "before mmengine": BEFORE_MMENGINE,
    "generalization": GENERALIZATION,
    "mmdet": MMDET,
    "new style": NEW_STYLE,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_clean_files_of_every_layout_give_no_alarm(write: Write, layout: str) -> None:
    path = write(LAYOUTS[layout])
    assert serious(path) == []
    assert [one.rule for one in lint(path) if one.rule == "read-without-a-cell"] == ["read-without-a-cell"]


@pytest.mark.parametrize(
    ("layout", "taken"),
    [
        ("mmseg", "taken for training and score in one region; labels: data/potsdam/img_dir/train; val: "),
        ("pairs", "taken for adaptation; labels: data/loveda_uda/rural/train/img_dir; target without labels: "),
        ("before mmengine", "taken for adaptation; labels: data/gta/images; target without labels: data/cityscapes/"),
        ("generalization", "taken for generalization; labels: data/gta/images; val: data/cityscapes/leftImg8bit/val "),
    ],
)
def test_how_a_file_was_understood_is_said(write: Write, layout: str, taken: str) -> None:
    (found,) = [one for one in lint(write(LAYOUTS[layout])) if one.rule == "read-without-a-cell"]
    assert found.found.startswith(taken)


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


def test_zero_labels_that_are_reduced_once_of_twice(write: Write) -> None:
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


def test_a_log_of_a_training_is_linted_by_its_lines(tmp_path: Path, write: Write) -> None:
    stamp = "2025/01/01 12:00:00 - mmengine - INFO - "
    text = PAIRS.partition("\n")[2].replace("/urban/test/", "/urban/val/")
    folder = tmp_path / "20250101_120000"
    folder.mkdir()
    log = folder / "20250101_120000.log"
    log.write_text(
        f"{stamp}\n-----\nSystem environment:\n    sys.platform: linux\n{stamp}Config:\n{text}"
        f"default_hooks = dict(checkpoint=dict(save_best='mIoU'))\n\n{stamp}Iter(train) [ 50/100]  lr: 1e-4\n"
    )
    for path in (log, tmp_path / "20250101_120000"):
        assert serious(path) == ["error val-is-test", "error selection-on-target-labels"]
        assert "save_best" in line_of(only(path, "selection-on-target-labels"))


@pytest.mark.parametrize(
    "text",
    ["a = 1\n", "model = dict(type='X')\n", "train_dataloader = dict(batch_size=2)\n", "data = dict(workers=1)\n"],
)
def test_a_file_without_data_sets_is_one_sentence(write: Write, text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.py states no data set: there is none in train_dataloader"):
        lint(write(text))


def test_rules_have_names_and_texts() -> None:
    assert len({rule.id for rule in FOREIGN_RULES}) == len(FOREIGN_RULES)
    assert all(rule.text.endswith(".") for rule in FOREIGN_RULES)
