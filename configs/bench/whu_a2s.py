"""WHU building, aerial to satellite II.

Launch: `rs-adapt train --bench whu-dg`.
Trained on 4736 tiles, scored on 3726 (test).

Published (read from a figure of CrossEarth; class building): Rein 30.8, CrossEarth 44.3.
"""

_base_ = "_whu.py"

bench = dict(
    name="whu_a2s",
    direction="a2s",
    default=True,
    title="WHU building, aerial to satellite II",
    source=dict(
        region="aerial",
        train=dict(img_dir="whu_building/aerial/train/img_dir", ann_dir="whu_building/aerial/train/ann_dir"),
        val=dict(img_dir="whu_building/aerial/test/img_dir", ann_dir="whu_building/aerial/test/ann_dir"),
    ),
    target=dict(
        region="satellite",
        train=dict(img_dir="whu_building/satellite/train/img_dir", ann_dir="whu_building/satellite/train/ann_dir"),
        val=dict(img_dir="whu_building/satellite/test/img_dir", ann_dir="whu_building/satellite/test/ann_dir"),
    ),
)
