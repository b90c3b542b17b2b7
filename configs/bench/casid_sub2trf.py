"""CASID, subtropical monsoon to tropical rainforest.

Launch: `rs-adapt train --bench casid-dg --direction sub2trf`.
Trained on 4900 tiles, scored on 1550 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 63.4, CrossEarth 64.2.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_sub2trf",
    direction="sub2trf",
    default=False,
    title="CASID, subtropical monsoon to tropical rainforest",
    source=dict(
        region="sub",
        train=dict(img_dir="casid/sub/train/img_dir", ann_dir="casid/sub/train/ann_dir"),
        val=dict(img_dir="casid/sub/test/img_dir", ann_dir="casid/sub/test/ann_dir"),
    ),
    target=dict(
        region="trf",
        train=dict(img_dir="casid/trf/train/img_dir", ann_dir="casid/trf/train/ann_dir"),
        val=dict(img_dir="casid/trf/test/img_dir", ann_dir="casid/trf/test/ann_dir"),
    ),
)
