"""CASID, tropical monsoon to temperate monsoon.

Launch: `rs-adapt train --bench casid-dg --direction tms2tem`.
Trained on 3400 tiles, scored on 2075 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 37.2, CrossEarth 40.5.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_tms2tem",
    direction="tms2tem",
    default=False,
    title="CASID, tropical monsoon to temperate monsoon",
    source=dict(
        region="tms",
        train=dict(img_dir="casid/tms/train/img_dir", ann_dir="casid/tms/train/ann_dir"),
        val=dict(img_dir="casid/tms/test/img_dir", ann_dir="casid/tms/test/ann_dir"),
    ),
    target=dict(
        region="tem",
        train=dict(img_dir="casid/tem/train/img_dir", ann_dir="casid/tem/train/ann_dir"),
        val=dict(img_dir="casid/tem/test/img_dir", ann_dir="casid/tem/test/ann_dir"),
    ),
)
