"""Synthetic scenes, north to south: made on the spot, for a first run, for tests and for teaching.

Launch: `rs-adapt train --bench synthetic-da` (no download, no GPU).
Two drawn regions. North: temperate, gardens, winding streets, tiled and flat roofs, 0.5 m. South: semi-arid, street
grid, flat roofs, red soil, haze, 0.7 m. 8 training, 3 validation and 4 test scenes of 512 x 512 px a region, GeoTIFFs
with a nodata border, cut into tiles of 128 px: 128, 48 and 64 tiles a region. Scores here say nothing about real
regions.
"""

bench = dict(
    name="synthetic",
    family="synthetic",
    direction="",
    default=True,
    title="Synthetic scenes, north to south",
    data="synthetic",
    classes=["background", "building", "road", "water", "vegetation", "bare"],
    palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
    # Labels are class indices; 255 is outside the scene's footprint.
    reduce_zero_label=False,
    ignore_index=255,
    # Of the target.
    gsd_m=0.7,
    tile_px=128,
    crop_px=128,
    img_suffix=".png",
    ann_suffix=".png",
    source=dict(
        region="north",
        bands="RGB",
        gsd_m=0.5,
        train=dict(img_dir="north/train/img_dir", ann_dir="north/train/ann_dir"),
        val=dict(img_dir="north/val/img_dir", ann_dir="north/val/ann_dir"),
        test=dict(img_dir="north/test/img_dir", ann_dir="north/test/ann_dir"),
    ),
    target=dict(
        region="south",
        bands="RGB",
        gsd_m=0.7,
        train=dict(img_dir="south/train/img_dir", ann_dir="south/train/ann_dir"),
        val=dict(img_dir="south/val/img_dir", ann_dir="south/val/ann_dir"),
        test=dict(img_dir="south/test/img_dir", ann_dir="south/test/ann_dir"),
    ),
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
