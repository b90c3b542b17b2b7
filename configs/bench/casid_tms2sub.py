"""CASID, tropical monsoon to subtropical monsoon.

Launch: `rs-adapt train --bench casid-dg --direction tms2sub`.
Trained on 3400 tiles, scored on 2200 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 68.6, CrossEarth 69.1.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_tms2sub",
    direction="tms2sub",
    default=False,
    title="CASID, tropical monsoon to subtropical monsoon",
    source=dict(
        region="tms",
        train=dict(img_dir="casid/tms/train/img_dir", ann_dir="casid/tms/train/ann_dir"),
        val=dict(img_dir="casid/tms/test/img_dir", ann_dir="casid/tms/test/ann_dir"),
    ),
    target=dict(
        region="sub",
        train=dict(img_dir="casid/sub/train/img_dir", ann_dir="casid/sub/train/ann_dir"),
        val=dict(img_dir="casid/sub/test/img_dir", ann_dir="casid/sub/test/ann_dir"),
    ),
)
