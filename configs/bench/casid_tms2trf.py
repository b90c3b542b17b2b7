"""CASID, tropical monsoon to tropical rainforest.

Launch: `rs-adapt train --bench casid-dg --direction tms2trf`.
Trained on 3400 tiles, scored on 1550 (test), mean IoU over all five classes.

Published mIoU (read from a figure of CrossEarth): Rein 59.7, CrossEarth 60.7.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_tms2trf",
    direction="tms2trf",
    default=False,
    title="CASID, tropical monsoon to tropical rainforest",
    source=dict(
        region="tms",
        train=dict(img_dir="casid/tms/train/img_dir", ann_dir="casid/tms/train/ann_dir"),
        val=dict(img_dir="casid/tms/test/img_dir", ann_dir="casid/tms/test/ann_dir"),
    ),
    target=dict(
        region="trf",
        train=dict(img_dir="casid/trf/train/img_dir", ann_dir="casid/trf/train/ann_dir"),
        val=dict(img_dir="casid/trf/test/img_dir", ann_dir="casid/trf/test/ann_dir"),
    ),
)
