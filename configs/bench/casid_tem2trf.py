"""CASID, temperate monsoon to tropical rainforest.

Launch: `rs-adapt train --bench casid-dg --direction tem2trf`.
Trained on 5025 tiles, scored on 1550 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 55.9, CrossEarth 57.8.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_tem2trf",
    direction="tem2trf",
    default=False,
    title="CASID, temperate monsoon to tropical rainforest",
    source=dict(
        region="tem",
        train=dict(img_dir="casid/tem/train/img_dir", ann_dir="casid/tem/train/ann_dir"),
        val=dict(img_dir="casid/tem/test/img_dir", ann_dir="casid/tem/test/ann_dir"),
    ),
    target=dict(
        region="trf",
        train=dict(img_dir="casid/trf/train/img_dir", ann_dir="casid/trf/train/ann_dir"),
        val=dict(img_dir="casid/trf/test/img_dir", ann_dir="casid/trf/test/ann_dir"),
    ),
)
