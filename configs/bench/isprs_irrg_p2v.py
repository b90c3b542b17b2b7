"""ISPRS, Potsdam IRRG to Vaihingen IRRG.

Launch: `rs-adapt train --bench isprs-irrg-dg`.
Potsdam: 3456 training and 2016 validation tiles of 512 px at 5 cm; Vaihingen: 344 and 398 at 9 cm; mmsegmentation's
split. The score is mean IoU over all six classes, clutter among them.
The bands are the same, so the shift is that of the region: P(i)2V of CrossEarth.

Published mIoU (CrossEarth's page; generalization, one run each): Rein 60.3, CrossEarth 67.5.
"""

_base_ = "_isprs_irrg.py"

bench = dict(
    name="isprs_irrg_p2v",
    family="isprs_irrg",
    direction="p2v",
    default=True,
    title="ISPRS, Potsdam IRRG to Vaihingen IRRG",
    # Of the target.
    gsd_m=0.09,
    source=dict(
        region="potsdam_irrg",
        city="potsdam",
        bands="IRRG",
        gsd_m=0.05,
        train=dict(img_dir="potsdam_irrg/img_dir/train", ann_dir="potsdam_irrg/ann_dir/train"),
        val=dict(img_dir="potsdam_irrg/img_dir/val", ann_dir="potsdam_irrg/ann_dir/val"),
    ),
    target=dict(
        region="vaihingen",
        city="vaihingen",
        bands="IRRG",
        gsd_m=0.09,
        train=dict(img_dir="vaihingen/img_dir/train", ann_dir="vaihingen/ann_dir/train"),
        val=dict(img_dir="vaihingen/img_dir/val", ann_dir="vaihingen/ann_dir/val"),
    ),
)
