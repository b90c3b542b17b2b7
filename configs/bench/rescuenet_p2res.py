"""Potsdam RGB to RescueNet.

Launch: `rs-adapt train --bench rescuenet-dg`.
Trained on 3456 tiles, scored on 449 images.

Published mIoU (read from a figure of CrossEarth): Rein 45.9, CrossEarth 46.8.
"""

_base_ = "_rescuenet.py"

bench = dict(
    name="rescuenet_p2res",
    direction="p2res",
    default=True,
    title="Potsdam RGB to RescueNet",
    source=dict(
        region="potsdam_rgb",
        bands="RGB",
        gsd_m=0.05,
        train=dict(img_dir="potsdam_res/rgb/img_dir", ann_dir="potsdam_res/ann_dir"),
        val=dict(img_dir="potsdam_res/rgb/img_dir", ann_dir="potsdam_res/ann_dir"),
    ),
)
