"""CASID, subtropical monsoon to tropical monsoon.

Launch: `rs-adapt train --bench casid-dg --direction sub2tms`.
Trained on 4900 tiles, scored on 1650 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 59.7, CrossEarth 64.6.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_sub2tms",
    direction="sub2tms",
    default=False,
    title="CASID, subtropical monsoon to tropical monsoon",
    source=dict(
        region="sub",
        train=dict(img_dir="casid/sub/train/img_dir", ann_dir="casid/sub/train/ann_dir"),
        val=dict(img_dir="casid/sub/test/img_dir", ann_dir="casid/sub/test/ann_dir"),
    ),
    target=dict(
        region="tms",
        train=dict(img_dir="casid/tms/train/img_dir", ann_dir="casid/tms/train/ann_dir"),
        val=dict(img_dir="casid/tms/test/img_dir", ann_dir="casid/tms/test/ann_dir"),
    ),
)
