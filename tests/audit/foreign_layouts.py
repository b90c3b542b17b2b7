"""Configurations in the layouts of other programs, without a leak, and how the tests lint them."""

from __future__ import annotations

from pathlib import Path

from rs_adapt.audit.lint.finding import Finding
from rs_adapt.audit.lint.foreign_check import lint_foreign
from rs_adapt.audit.lint.foreign_subject import foreign_subject

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
from mmseg.datasets import PotsdamDataset

with read_base():
    from ._base_.data import *
    from ._base_.model import *

train_dataloader.dataset.update(type=PotsdamDataset)
default_hooks = dict(checkpoint=dict(type=CheckpointHook, interval=8000))
"""
LAYOUTS = {
    "mmseg": MMSEG,
    "pairs": PAIRS,
    "before mmengine": BEFORE_MMENGINE,
    "generalization": GENERALIZATION,
    "mmdet": MMDET,
    "new style": NEW_STYLE,
}


def lint(path: Path) -> list[Finding]:
    return lint_foreign(foreign_subject(path))


def serious(path: Path) -> list[str]:
    return [f"{one.level} {one.rule}" for one in lint(path) if one.level != "note"]


def only(path: Path, rule: str) -> Finding:
    """Return the one finding of a rule that is more than a note."""
    (found,) = [one for one in lint(path) if one.rule == rule and one.level != "note"]
    assert found.line is not None
    assert found.consequence
    assert found.remedy
    return found


def line_of(finding: Finding) -> str:
    assert finding.line is not None
    return Path(finding.file).read_text().splitlines()[finding.line - 1]
