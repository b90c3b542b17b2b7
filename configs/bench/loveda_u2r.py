"""LoveDA, urban to rural.

Launch: `rs-adapt train --bench loveda-da --direction u2r`.
LoveDA (CC BY-NC-SA 4.0, academic use only): Google Earth images of 1024 x 1024 at 0.3 m, here cut into four disjoint
tiles of 512 each. Rural: 1366 training and 992 validation images = 5464 and 3968 tiles; urban: 1156 and 677 = 4624 and
2708 tiles. The score is on the target's validation images, mean IoU over all seven classes.

Published for Earth-Adapter with DINOv2-L and Mask2Former on this bench (one seed, an RTX A6000 for da and an RTX 3090
for dg), mIoU of the last iteration, and of the best of ten evaluations on labelled target images in brackets:
da 47.82 (50.03), dg 45.19 (45.66). Source: VisionXLab/Earth-Adapter @49a8ff8, `training_log/`.
"""

_base_ = "_loveda.py"

bench = dict(
    name="loveda_u2r",
    direction="u2r",
    default=False,
    title="LoveDA, urban to rural",
    source=dict(
        region="urban",
        train=dict(img_dir="loveda/urban/train/img_dir", ann_dir="loveda/urban/train/ann_dir"),
        val=dict(img_dir="loveda/urban/val/img_dir", ann_dir="loveda/urban/val/ann_dir"),
    ),
    target=dict(
        region="rural",
        train=dict(img_dir="loveda/rural/train/img_dir", ann_dir="loveda/rural/train/ann_dir"),
        val=dict(img_dir="loveda/rural/val/img_dir", ann_dir="loveda/rural/val/ann_dir"),
    ),
)
