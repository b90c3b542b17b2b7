"""LoveDA at 1024 px, urban to rural.

Launch: `rs-adapt train --bench loveda-1024-dg --direction u2r`.
Trained on 1156 images, scored on 992 validation images, mean IoU over all seven classes.

Published mIoU (read from a figure of CrossEarth): Rein 45.6, CrossEarth 46.6.
"""

_base_ = "_loveda_1024.py"

bench = dict(
    name="loveda_1024_u2r",
    direction="u2r",
    default=False,
    title="LoveDA at 1024 px, urban to rural",
    source=dict(
        region="urban",
        train=dict(img_dir="loveda_1024/urban/train/img_dir", ann_dir="loveda_1024/urban/train/ann_dir"),
        val=dict(img_dir="loveda_1024/urban/val/img_dir", ann_dir="loveda_1024/urban/val/ann_dir"),
    ),
    target=dict(
        region="rural",
        train=dict(img_dir="loveda_1024/rural/train/img_dir", ann_dir="loveda_1024/rural/train/ann_dir"),
        val=dict(img_dir="loveda_1024/rural/val/img_dir", ann_dir="loveda_1024/rural/val/ann_dir"),
    ),
)
