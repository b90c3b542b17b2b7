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

bench = dict(
    name="isprs_p2v",
    family="isprs",
    direction="p2v",
    default=True,
    title="ISPRS, Potsdam RGB to Vaihingen IRRG",
    data=["potsdam", "vaihingen"],
    classes=["impervious_surface", "building", "low_vegetation", "tree", "car", "clutter"],
    # Colours of the classes in index order; 0 in the files is "boundary" and is not scored.
    palette=[
        [255, 255, 255],
        [0, 0, 255],
        [0, 255, 255],
        [0, 255, 0],
        [255, 255, 0],
        [255, 0, 0],
    ],
    reduce_zero_label=True,
    ignore_index=255,
    gsd_m=0.09,
    tile_px=512,
    crop_px=512,
    img_suffix=".png",
    ann_suffix=".png",
    source=dict(
        region="potsdam",
        bands="RGB",
        gsd_m=0.05,
        train=dict(img_dir="potsdam/img_dir/train", ann_dir="potsdam/ann_dir/train"),
        val=dict(img_dir="potsdam/img_dir/val", ann_dir="potsdam/ann_dir/val"),
    ),
    target=dict(
        region="vaihingen",
        bands="IRRG",
        gsd_m=0.09,
        train=dict(img_dir="vaihingen/img_dir/train", ann_dir="vaihingen/ann_dir/train"),
        val=dict(img_dir="vaihingen/img_dir/val", ann_dir="vaihingen/ann_dir/val"),
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
