"""CASID, tropical rainforest to temperate monsoon.

Launch: `rs-adapt train --bench casid-dg --direction trf2tem`.
Trained on 3700 tiles, scored on 2075 (test), mean IoU over all five classes.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_trf2tem",
    direction="trf2tem",
    default=False,
    title="CASID, tropical rainforest to temperate monsoon",
    source=dict(
        region="trf",
        train=dict(img_dir="casid/trf/train/img_dir", ann_dir="casid/trf/train/ann_dir"),
        val=dict(img_dir="casid/trf/test/img_dir", ann_dir="casid/trf/test/ann_dir"),
    ),
    target=dict(
        region="tem",
        train=dict(img_dir="casid/tem/train/img_dir", ann_dir="casid/tem/train/ann_dir"),
        val=dict(img_dir="casid/tem/test/img_dir", ann_dir="casid/tem/test/ann_dir"),
    ),
)
