"""LoveDA, urban to rural.

Launch: `rs-adapt train --bench loveda-da --direction u2r`.
LoveDA (CC BY-NC-SA 4.0, academic use only): Google Earth images of 1024 x 1024 at 0.3 m, here cut into four disjoint
tiles of 512 each. Rural: 1366 training and 992 validation images = 5464 and 3968 tiles; urban: 1156 and 677 = 4624 and
2708 tiles. The score is on the target's validation images, mean IoU over all seven classes.

Published for Earth-Adapter with DINOv2-L and Mask2Former on this bench (one seed, an RTX A6000 for da and an RTX 3090
for dg), mIoU of the last iteration, and of the best of ten evaluations on labelled target images in brackets:
da 47.82 (50.03), dg 45.19 (45.66). Source: VisionXLab/Earth-Adapter @49a8ff8, `training_log/`.
"""

bench = dict(
    name="loveda_u2r",
    family="loveda",
    direction="u2r",
    default=False,
    title="LoveDA, urban to rural",
    data="loveda",
    classes=["background", "building", "road", "water", "barren", "forest", "agricultural"],
    # Colours of the classes in index order; 0 in the files is "no data" and is not scored.
    palette=[
        [255, 255, 255],
        [255, 0, 0],
        [255, 255, 0],
        [0, 0, 255],
        [159, 129, 183],
        [0, 255, 0],
        [255, 195, 128],
    ],
    reduce_zero_label=True,
    ignore_index=255,
    gsd_m=0.3,
    tile_px=512,
    crop_px=512,
    img_suffix=".png",
    ann_suffix=".png",
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
    pipeline=dict(resize_ratio=[0.5, 2.0], cat_max_ratio=0.75, flip_prob=0.5, photometric=True),
    # 2 crops x 20 000 iterations = 40 000 source crops (da); 4 x 20 000 = 80 000 (dg, ss).
    schedule=dict(iters=20000, eval_every=2000, batch_size=dict(da=2, dg=4, ss=4)),
    inference=dict(mode="slide", crop_px=512, stride_px=341),
    defaults=dict(method="earth_adapter", backbone="dinov2_l", head="mask2former"),
    prepare=None,
)
# All eight published runs of VisionXLab/Earth-Adapter @49a8ff8: AdamW, poly 0.9 down to 0, no warm-up.
optim = dict(lr=1e-4, weight_decay=0.05, poly_power=0.9)
