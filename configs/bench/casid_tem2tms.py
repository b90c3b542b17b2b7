"""CASID, temperate monsoon to tropical monsoon.

Launch: `rs-adapt train --bench casid-dg --direction tem2tms`.
Trained on 5025 tiles, scored on 1650 (test), mean IoU over all five classes.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_tem2tms",
    direction="tem2tms",
    default=False,
    title="CASID, temperate monsoon to tropical monsoon",
    source=dict(
        region="tem",
        train=dict(img_dir="casid/tem/train/img_dir", ann_dir="casid/tem/train/ann_dir"),
        val=dict(img_dir="casid/tem/test/img_dir", ann_dir="casid/tem/test/ann_dir"),
    ),
    target=dict(
        region="tms",
        train=dict(img_dir="casid/tms/train/img_dir", ann_dir="casid/tms/train/ann_dir"),
        val=dict(img_dir="casid/tms/test/img_dir", ann_dir="casid/tms/test/ann_dir"),
    ),
)
