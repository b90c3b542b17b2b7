"""CASID, temperate monsoon to subtropical monsoon.

Launch: `rs-adapt train --bench casid-dg --direction tem2sub`.
Trained on 5025 tiles, scored on 2200 (test), mean IoU over all five classes.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_tem2sub",
    direction="tem2sub",
    default=False,
    title="CASID, temperate monsoon to subtropical monsoon",
    source=dict(
        region="tem",
        train=dict(img_dir="casid/tem/train/img_dir", ann_dir="casid/tem/train/ann_dir"),
        val=dict(img_dir="casid/tem/test/img_dir", ann_dir="casid/tem/test/ann_dir"),
    ),
    target=dict(
        region="sub",
        train=dict(img_dir="casid/sub/train/img_dir", ann_dir="casid/sub/train/ann_dir"),
        val=dict(img_dir="casid/sub/test/img_dir", ann_dir="casid/sub/test/ann_dir"),
    ),
)
