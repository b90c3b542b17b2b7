"""ISPRS Potsdam, IRRG to RGB.

Launch: `rs-adapt train --bench potsdam-bands-dg --direction irrg2rgb`.
Potsdam: 3456 training and 2016 validation tiles of 512 px at 5 cm, in other bands: P(i)2P(r) of CrossEarth. The scenes
of training and validation differ, the place and the labels are the same. mIoU over all six classes.

Published mIoU (CrossEarth's page; generalization, one run each): Rein 69.2, CrossEarth 76.0.
"""

_base_ = "_isprs_irrg.py"

bench = dict(
    name="potsdam_bands_irrg2rgb",
    family="potsdam_bands",
    direction="irrg2rgb",
    title="ISPRS Potsdam, IRRG to RGB",
    data=["potsdam"],
    # Of the target.
    gsd_m=0.05,
    source=dict(
        region="potsdam_irrg",
        city="potsdam",
        bands="IRRG",
        gsd_m=0.05,
        train=dict(img_dir="potsdam_irrg/img_dir/train", ann_dir="potsdam_irrg/ann_dir/train"),
        val=dict(img_dir="potsdam_irrg/img_dir/val", ann_dir="potsdam_irrg/ann_dir/val"),
    ),
    target=dict(
        region="potsdam",
        city="potsdam",
        bands="RGB",
        gsd_m=0.05,
        train=dict(img_dir="potsdam/img_dir/train", ann_dir="potsdam/ann_dir/train"),
        val=dict(img_dir="potsdam/img_dir/val", ann_dir="potsdam/ann_dir/val"),
    ),
)
