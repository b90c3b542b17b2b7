"""CASID, tropical rainforest to tropical monsoon.

Launch: `rs-adapt train --bench casid-dg --direction trf2tms`.
Trained on 3700 tiles, scored on 1650 (test), mean IoU over all five classes.
"""

_base_ = "_casid.py"

bench = dict(
    name="casid_trf2tms",
    direction="trf2tms",
    default=False,
    title="CASID, tropical rainforest to tropical monsoon",
    source=dict(
        region="trf",
        train=dict(img_dir="casid/trf/train/img_dir", ann_dir="casid/trf/train/ann_dir"),
        val=dict(img_dir="casid/trf/test/img_dir", ann_dir="casid/trf/test/ann_dir"),
    ),
    target=dict(
        region="tms",
        train=dict(img_dir="casid/tms/train/img_dir", ann_dir="casid/tms/train/ann_dir"),
        val=dict(img_dir="casid/tms/test/img_dir", ann_dir="casid/tms/test/ann_dir"),
    ),
)
