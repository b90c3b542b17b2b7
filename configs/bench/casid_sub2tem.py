"""CASID, subtropical monsoon to temperate monsoon.

Launch: `rs-adapt train --bench casid-dg`.
Trained on 4900 tiles, scored on 2075 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 46.4, CrossEarth 48.1.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_sub2tem",
    direction="sub2tem",
    default=True,
    title="CASID, subtropical monsoon to temperate monsoon",
    source=dict(
        region="sub",
        train=dict(img_dir="casid/sub/train/img_dir", ann_dir="casid/sub/train/ann_dir"),
        val=dict(img_dir="casid/sub/test/img_dir", ann_dir="casid/sub/test/ann_dir"),
    ),
    target=dict(
        region="tem",
        train=dict(img_dir="casid/tem/train/img_dir", ann_dir="casid/tem/train/ann_dir"),
        val=dict(img_dir="casid/tem/test/img_dir", ann_dir="casid/tem/test/ann_dir"),
    ),
)
