"""What benches of synthetic scene classes share: classes, sides, schedule, and the numbers of images."""

_base_ = "_scene_classes.py"

bench = dict(
    family="synthetic",
    data="synthetic",
    classes=[
        "bare land",
        "crossroads",
        "dense residential",
        "farmland",
        "forest",
        "harbour",
        "industrial",
        "lake",
        "orchard",
        "parking lot",
        "river",
        "road",
        "sparse residential",
        "sports field",
    ],
    gsd_m=1.0,
    tile_px=96,
    crop_px=96,
    inference=dict(crop_px=96, stride_px=96),
    schedule=dict(iters=300, eval_every=100),
    defaults=dict(backbone="nano_clip", domain="dinov2_nano"),
    prepare=dict(kind="synthetic_classes", seed=0, images=dict(train=16, val=4, test=16), size_px=96),
)
