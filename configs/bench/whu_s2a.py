"""WHU building, satellite II to aerial.

Launch: `rs-adapt train --bench whu-dg --direction s2a`.
Trained on 13662 tiles, scored on 1036 (test).
"""

_base_ = "_whu.py"

bench = dict(
    name="whu_s2a",
    direction="s2a",
    default=False,
    title="WHU building, satellite II to aerial",
    source=dict(
        region="satellite",
        train=dict(img_dir="whu_building/satellite/train/img_dir", ann_dir="whu_building/satellite/train/ann_dir"),
        val=dict(img_dir="whu_building/satellite/test/img_dir", ann_dir="whu_building/satellite/test/ann_dir"),
    ),
    target=dict(
        region="aerial",
        train=dict(img_dir="whu_building/aerial/train/img_dir", ann_dir="whu_building/aerial/train/ann_dir"),
        val=dict(img_dir="whu_building/aerial/test/img_dir", ann_dir="whu_building/aerial/test/ann_dir"),
    ),
)
