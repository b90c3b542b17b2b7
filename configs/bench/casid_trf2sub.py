"""CASID, tropical rainforest to subtropical monsoon.

Launch: `rs-adapt train --bench casid-dg --direction trf2sub`.
Trained on 3700 tiles, scored on 2200 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 67.6, CrossEarth 67.9.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_trf2sub",
    direction="trf2sub",
    default=False,
    title="CASID, tropical rainforest to subtropical monsoon",
    source=dict(
        region="trf",
        train=dict(img_dir="casid/trf/train/img_dir", ann_dir="casid/trf/train/ann_dir"),
        val=dict(img_dir="casid/trf/test/img_dir", ann_dir="casid/trf/test/ann_dir"),
    ),
    target=dict(
        region="sub",
        train=dict(img_dir="casid/sub/train/img_dir", ann_dir="casid/sub/train/ann_dir"),
        val=dict(img_dir="casid/sub/test/img_dir", ann_dir="casid/sub/test/ann_dir"),
    ),
)
