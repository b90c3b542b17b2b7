"""ISPRS, Potsdam RGB to Vaihingen IRRG.

Launch: `rs-adapt train --bench isprs-da`.
ISPRS Potsdam (RGB, 5 cm) and Vaihingen (near infrared, red, green, 9 cm), labels with eroded borders, cut into tiles
of 512 in mmsegmentation's split. Potsdam: 24 training scenes x 144 = 3456 tiles, 14 validation scenes x 144 = 2016;
Vaihingen: 344 and 398 tiles. The region and the bands change together, so the numbers do not compare with the
benchmark from Potsdam IRRG. The score is mean IoU over all six classes, clutter among them.

Published for Earth-Adapter with DINOv2-L and Mask2Former on this bench (one seed, an RTX A6000 for da and a V100
for dg), mIoU of the last iteration, and of the best of ten evaluations on labelled target images in brackets:
da 66.46 (67.65), dg 59.73 (64.93). Source: VisionXLab/Earth-Adapter @49a8ff8, `training_log/`.
"""

_base_ = "_isprs.py"

bench = dict(
    name="isprs_p2v",
    direction="p2v",
    default=True,
    title="ISPRS, Potsdam RGB to Vaihingen IRRG",
    # Of the target.
    gsd_m=0.09,
    source=dict(
        region="potsdam",
        city="potsdam",
        bands="RGB",
        gsd_m=0.05,
        train=dict(img_dir="potsdam/img_dir/train", ann_dir="potsdam/ann_dir/train"),
        val=dict(img_dir="potsdam/img_dir/val", ann_dir="potsdam/ann_dir/val"),
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
