"""LoveDA at 1024 px, rural to urban.

Launch: `rs-adapt train --bench loveda-1024-dg`.
Trained on 1366 images, scored on 677 validation images, mean IoU over all seven classes.

Published mIoU (read from a figure of CrossEarth): Rein 57.7, CrossEarth 57.9.
"""

_base_ = "_loveda_1024.py"

bench = dict(
    name="loveda_1024_r2u",
    direction="r2u",
    default=True,
    title="LoveDA at 1024 px, rural to urban",
    source=dict(
        region="rural",
        train=dict(img_dir="loveda_1024/rural/train/img_dir", ann_dir="loveda_1024/rural/train/ann_dir"),
        val=dict(img_dir="loveda_1024/rural/val/img_dir", ann_dir="loveda_1024/rural/val/ann_dir"),
    ),
    target=dict(
        region="urban",
        train=dict(img_dir="loveda_1024/urban/train/img_dir", ann_dir="loveda_1024/urban/train/ann_dir"),
        val=dict(img_dir="loveda_1024/urban/val/img_dir", ann_dir="loveda_1024/urban/val/ann_dir"),
    ),
)
