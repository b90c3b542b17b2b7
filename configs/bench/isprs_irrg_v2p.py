"""ISPRS, Vaihingen IRRG to Potsdam IRRG.

Launch: `rs-adapt train --bench isprs-irrg-dg --direction v2p`.
Potsdam: 3456 training and 2016 validation tiles of 512 px at 5 cm; Vaihingen: 344 and 398 at 9 cm; mmsegmentation's
split. The score is mean IoU over all six classes, clutter among them.
The bands are the same, so the shift is that of the region: V2P(i) of CrossEarth.

Published mIoU (CrossEarth's page; generalization, one run each): Rein 57.6, CrossEarth 58.2.
"""

_base_ = "_isprs_irrg.py"

bench = dict(
    name="isprs_irrg_v2p",
    family="isprs_irrg",
    direction="v2p",
    title="ISPRS, Vaihingen IRRG to Potsdam IRRG",
    # Of the target.
    gsd_m=0.05,
    source=dict(
        region="vaihingen",
        city="vaihingen",
        bands="IRRG",
        gsd_m=0.09,
        train=dict(img_dir="vaihingen/img_dir/train", ann_dir="vaihingen/ann_dir/train"),
        val=dict(img_dir="vaihingen/img_dir/val", ann_dir="vaihingen/ann_dir/val"),
    ),
    target=dict(
        region="potsdam_irrg",
        city="potsdam",
        bands="IRRG",
        gsd_m=0.05,
        train=dict(img_dir="potsdam_irrg/img_dir/train", ann_dir="potsdam_irrg/ann_dir/train"),
        val=dict(img_dir="potsdam_irrg/img_dir/val", ann_dir="potsdam_irrg/ann_dir/val"),
    ),
)
