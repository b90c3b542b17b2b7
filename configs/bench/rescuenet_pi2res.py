"""Potsdam IRRG to RescueNet.

Launch: `rs-adapt train --bench rescuenet-dg --direction pi2res`.
Trained on 3456 tiles, scored on 449 images.

Published mIoU (read from a figure of CrossEarth): Rein 45.4, CrossEarth 45.5.
"""

_base_ = "_rescuenet.py"

bench = dict(
    name="rescuenet_pi2res",
    direction="pi2res",
    default=False,
    title="Potsdam IRRG to RescueNet",
    source=dict(
        region="potsdam_irrg",
        bands="IRRG",
        gsd_m=0.05,
        train=dict(img_dir="potsdam_res/irrg/img_dir", ann_dir="potsdam_res/ann_dir"),
        val=dict(img_dir="potsdam_res/irrg/img_dir", ann_dir="potsdam_res/ann_dir"),
    ),
)
