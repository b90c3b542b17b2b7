"""Dubai satellite images: a small real bench under CC0, ten directions.

Launch: `rs-adapt train --bench dubai-da --direction coast2urban`; without `--direction`, urban2coast.
Data: "Semantic segmentation of aerial imagery", Humans in the Loop and the Mohammed Bin Rashid Space Centre; 72 images
of 8 scenes (9 crops each, 509 x 544 to 2149 x 1480 px), cut into tiles of 256 px. urban2coast: source scenes 1, 2, 4,
7, 8 (urban and desert), target scenes 3, 5, 6 (coast); coast2urban the other way round; scene1 to scene8: from the
seven others to that scene. Crops 007, 008 and 009 of each scene, a third of each region, are held out for validation.
Neighbouring crops of one scene overlap in place and light, so training and validation of one region are not
independent: in-domain scores are too high, and scores on the target compare methods with each other only.
"""

bench = dict(
    family="dubai",
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
    pipeline=dict(
        resize_ratio=[0.75, 1.5],
        cat_max_ratio=0.75,
        flip_prob=0.5,
        # Colour tells vegetation from land here: without distortion, training on the source alone gains 3 points in the
        # mean of the four development pairs (docs/project/results-pairs.md).
        photometric=False,
        photometric_unlabelled=None,
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
    # Setting ov: one class that is an area and one that is made of things.
    ov=dict(unseen=["water", "road"], defaults=dict(method="lora", backbone="nano_clip", head="cost_small")),
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
    regions=dict(
        urban=dict(
            train=dict(img_dir="urban/train/img_dir", ann_dir="urban/train/ann_dir"),
            val=dict(img_dir="urban/val/img_dir", ann_dir="urban/val/ann_dir"),
        ),
        coast=dict(
            train=dict(img_dir="coast/train/img_dir", ann_dir="coast/train/ann_dir"),
            val=dict(img_dir="coast/val/img_dir", ann_dir="coast/val/ann_dir"),
        ),
        but1=dict(
            train=dict(img_dir="but1/train/img_dir", ann_dir="but1/train/ann_dir"),
            val=dict(img_dir="but1/val/img_dir", ann_dir="but1/val/ann_dir"),
        ),
        scene1=dict(
            train=dict(img_dir="scene1/train/img_dir", ann_dir="scene1/train/ann_dir"),
            val=dict(img_dir="scene1/val/img_dir", ann_dir="scene1/val/ann_dir"),
        ),
        but2=dict(
            train=dict(img_dir="but2/train/img_dir", ann_dir="but2/train/ann_dir"),
            val=dict(img_dir="but2/val/img_dir", ann_dir="but2/val/ann_dir"),
        ),
        scene2=dict(
            train=dict(img_dir="scene2/train/img_dir", ann_dir="scene2/train/ann_dir"),
            val=dict(img_dir="scene2/val/img_dir", ann_dir="scene2/val/ann_dir"),
        ),
        but3=dict(
            train=dict(img_dir="but3/train/img_dir", ann_dir="but3/train/ann_dir"),
            val=dict(img_dir="but3/val/img_dir", ann_dir="but3/val/ann_dir"),
        ),
        scene3=dict(
            train=dict(img_dir="scene3/train/img_dir", ann_dir="scene3/train/ann_dir"),
            val=dict(img_dir="scene3/val/img_dir", ann_dir="scene3/val/ann_dir"),
        ),
        but4=dict(
            train=dict(img_dir="but4/train/img_dir", ann_dir="but4/train/ann_dir"),
            val=dict(img_dir="but4/val/img_dir", ann_dir="but4/val/ann_dir"),
        ),
        scene4=dict(
            train=dict(img_dir="scene4/train/img_dir", ann_dir="scene4/train/ann_dir"),
            val=dict(img_dir="scene4/val/img_dir", ann_dir="scene4/val/ann_dir"),
        ),
        but5=dict(
            train=dict(img_dir="but5/train/img_dir", ann_dir="but5/train/ann_dir"),
            val=dict(img_dir="but5/val/img_dir", ann_dir="but5/val/ann_dir"),
        ),
        scene5=dict(
            train=dict(img_dir="scene5/train/img_dir", ann_dir="scene5/train/ann_dir"),
            val=dict(img_dir="scene5/val/img_dir", ann_dir="scene5/val/ann_dir"),
        ),
        but6=dict(
            train=dict(img_dir="but6/train/img_dir", ann_dir="but6/train/ann_dir"),
            val=dict(img_dir="but6/val/img_dir", ann_dir="but6/val/ann_dir"),
        ),
        scene6=dict(
            train=dict(img_dir="scene6/train/img_dir", ann_dir="scene6/train/ann_dir"),
            val=dict(img_dir="scene6/val/img_dir", ann_dir="scene6/val/ann_dir"),
        ),
        but7=dict(
            train=dict(img_dir="but7/train/img_dir", ann_dir="but7/train/ann_dir"),
            val=dict(img_dir="but7/val/img_dir", ann_dir="but7/val/ann_dir"),
        ),
        scene7=dict(
            train=dict(img_dir="scene7/train/img_dir", ann_dir="scene7/train/ann_dir"),
            val=dict(img_dir="scene7/val/img_dir", ann_dir="scene7/val/ann_dir"),
        ),
        but8=dict(
            train=dict(img_dir="but8/train/img_dir", ann_dir="but8/train/ann_dir"),
            val=dict(img_dir="but8/val/img_dir", ann_dir="but8/val/ann_dir"),
        ),
        scene8=dict(
            train=dict(img_dir="scene8/train/img_dir", ann_dir="scene8/train/ann_dir"),
            val=dict(img_dir="scene8/val/img_dir", ann_dir="scene8/val/ann_dir"),
        ),
    ),
    directions=dict(
        urban2coast=dict(title="Dubai, urban desert to coast", source="urban", target="coast"),
        coast2urban=dict(title="Dubai, coast to urban desert", source="coast", target="urban"),
        scene1=dict(
            title="Dubai, seven scenes to scene 1",
            source="but1",
            target="scene1",
            prepare=dict(
                regions=dict(but1=["tile2", "tile3", "tile4", "tile5", "tile6", "tile7", "tile8"], scene1=["tile1"])
            ),
        ),
        scene2=dict(
            title="Dubai, seven scenes to scene 2",
            source="but2",
            target="scene2",
            prepare=dict(
                regions=dict(but2=["tile1", "tile3", "tile4", "tile5", "tile6", "tile7", "tile8"], scene2=["tile2"])
            ),
        ),
        scene3=dict(
            title="Dubai, seven scenes to scene 3",
            source="but3",
            target="scene3",
            prepare=dict(
                regions=dict(but3=["tile1", "tile2", "tile4", "tile5", "tile6", "tile7", "tile8"], scene3=["tile3"])
            ),
        ),
        scene4=dict(
            title="Dubai, seven scenes to scene 4",
            source="but4",
            target="scene4",
            prepare=dict(
                regions=dict(but4=["tile1", "tile2", "tile3", "tile5", "tile6", "tile7", "tile8"], scene4=["tile4"])
            ),
        ),
        scene5=dict(
            title="Dubai, seven scenes to scene 5",
            source="but5",
            target="scene5",
            prepare=dict(
                regions=dict(but5=["tile1", "tile2", "tile3", "tile4", "tile6", "tile7", "tile8"], scene5=["tile5"])
            ),
        ),
        scene6=dict(
            title="Dubai, seven scenes to scene 6",
            source="but6",
            target="scene6",
            prepare=dict(
                regions=dict(but6=["tile1", "tile2", "tile3", "tile4", "tile5", "tile7", "tile8"], scene6=["tile6"])
            ),
        ),
        scene7=dict(
            title="Dubai, seven scenes to scene 7",
            source="but7",
            target="scene7",
            prepare=dict(
                regions=dict(but7=["tile1", "tile2", "tile3", "tile4", "tile5", "tile6", "tile8"], scene7=["tile7"])
            ),
        ),
        scene8=dict(
            title="Dubai, seven scenes to scene 8",
            source="but8",
            target="scene8",
            prepare=dict(
                regions=dict(but8=["tile1", "tile2", "tile3", "tile4", "tile5", "tile6", "tile7"], scene8=["tile8"])
            ),
        ),
    ),
)
# Ten times and more the rate of the large models: the small one has few iterations.
optim = dict(lr=2e-3, weight_decay=0.05, poly_power=0.9)
