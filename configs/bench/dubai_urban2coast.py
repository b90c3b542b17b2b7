"""Dubai satellite images, urban desert to coast: a small real bench under CC0.

Launch: `rs-adapt train --bench dubai-da`.
Data: "Semantic segmentation of aerial imagery", Humans in the Loop and the Mohammed Bin Rashid Space Centre; 72 images
of 8 scenes (9 crops each, 509 x 544 to 2149 x 1480 px), cut into tiles of 256 px. Source: scenes 1, 2, 4, 7, 8 (urban
and desert), target: scenes 3, 5, 6 (coast). Crops 007, 008 and 009 of each scene, a third of each region, are held out
for validation. Neighbouring crops of one scene overlap in place and light, so training and validation of one region
are not independent: in-domain scores are too high, and scores on the target compare methods with each other only.
"""

bench = dict(
    name="dubai_urban2coast",
    family="dubai",
    direction="urban2coast",
    default=True,
    title="Dubai, urban desert to coast",
    data="dubai",
    classes=["land", "building", "road", "water", "vegetation"],
    palette=[[132, 41, 246], [60, 16, 152], [110, 193, 228], [226, 169, 41], [254, 221, 58]],
    # Label values: 0 unlabelled (ignored), 1 land, 2 building, 3 road, 4 water, 5 vegetation.
    reduce_zero_label=True,
    ignore_index=255,
    # Not stated by the authors, and not the same in all scenes.
    gsd_m=None,
    tile_px=256,
    crop_px=128,
    img_suffix=".png",
    ann_suffix=".png",
    source=dict(
        region="urban",
        train=dict(img_dir="urban/train/img_dir", ann_dir="urban/train/ann_dir"),
        val=dict(img_dir="urban/val/img_dir", ann_dir="urban/val/ann_dir"),
    ),
    target=dict(
        region="coast",
        train=dict(img_dir="coast/train/img_dir", ann_dir="coast/train/ann_dir"),
        val=dict(img_dir="coast/val/img_dir", ann_dir="coast/val/ann_dir"),
    ),
    pipeline=dict(
        resize_ratio=[0.75, 1.5],
        cat_max_ratio=0.75,
        flip_prob=0.5,
        photometric=True,
        fourier_mix=0.0,
        histogram_match=0.0,
    ),
    # 2 crops x 400 iterations = 800 crops of a region.
    schedule=dict(iters=400, eval_every=200, batch_size=dict(da=2, dg=2, ss=2)),
    # What `rs-adapt lint` says of scenes that are in training and in validation; there is no other split.
    shared_scenes="Neighbouring crops of a scene overlap in place and light, so scores within a region are too high.",
    # Windows of the size that the backbone and the head were trained on.
    inference=dict(mode="slide", crop_px=128, stride_px=128),
    defaults=dict(method="earth_adapter", backbone="dinov2_nano", head="linear"),
    prepare=dict(
        kind="images",
        image_dir="dubai/images",
        label_dir="dubai/labels",
        image_suffix=".jpg",
        label_suffix=".png",
        # Images are named <scene>_<crop>.
        regions=dict(urban=["tile1", "tile2", "tile4", "tile7", "tile8"], coast=["tile3", "tile5", "tile6"]),
        crops=["001", "002", "003", "004", "005", "006", "007", "008", "009"],
        val_crops=["007", "008", "009"],
        stride_px=256,
        how_to_get="Put the 72 images as dubai/images/tileT_NNN.jpg and their 8-bit labels (0 to 5) as "
        "dubai/labels/tileT_NNN.png into the data root (--data-root or RS_ADAPT_DATA); data/dubai.toml says where they "
        "come from.",
    ),
)
# Ten times and more the rate of the large models: the small one has few iterations.
optim = dict(lr=2e-3, weight_decay=0.05, poly_power=0.9)
