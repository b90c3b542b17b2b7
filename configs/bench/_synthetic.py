"""What benches of synthetic scenes share: classes, tiles, pipeline, schedule and the numbers of scenes."""

bench = dict(
    classes=["background", "building", "road", "water", "vegetation", "bare"],
    palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
    # Labels are class indices; 255 is outside the scene's footprint.
    reduce_zero_label=False,
    ignore_index=255,
    tile_px=128,
    crop_px=128,
    img_suffix=".png",
    ann_suffix=".png",
    # Milder than the paper's: tiles of 128 px at half their size would be padding for the most part, and photometric
    # distortion would close by itself part of the gap in colour that adaptation is meant to close here.
    pipeline=dict(
        resize_ratio=[0.75, 1.5],
        cat_max_ratio=0.75,
        flip_prob=0.5,
        photometric=False,
        photometric_unlabelled=None,
        fourier_mix=0.0,
        histogram_match=0.0,
    ),
    # 2 crops x 400 iterations = 800 crops of a region.
    schedule=dict(iters=400, eval_every=100, batch_size=dict(da=2, dg=2, ss=2)),
    inference=dict(mode="whole", crop_px=128, stride_px=85),
    defaults=dict(method="earth_adapter", backbone="dinov2_nano", head="linear"),
    prepare=dict(kind="synthetic", seed=0, scenes=dict(train=8, val=3, test=4), size_px=512, stride_px=128),
)
# Ten times and more the rate of the large models: the small one has few iterations.
optim = dict(lr=2e-3, weight_decay=0.05, poly_power=0.9)
