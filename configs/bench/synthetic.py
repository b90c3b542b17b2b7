"""Synthetic scenes, north to south: made on the spot, for a first run, for tests and for teaching.

Launch: `rs-adapt train --bench synthetic-da` (no download, no GPU).
Two drawn regions. North: temperate, gardens, winding streets, tiled and flat roofs, 0.5 m. South: semi-arid, street
grid, flat roofs, red soil, haze, 0.7 m. 8 training, 3 validation and 4 test scenes of 512 x 512 px a region, GeoTIFFs
with a nodata border, cut into tiles of 128 px: 128, 48 and 64 tiles a region. Scores here say nothing about real
regions.
"""

_base_ = "_synthetic.py"

bench = dict(
    name="synthetic",
    family="synthetic",
    direction="",
    default=True,
    title="Synthetic scenes, north to south",
    data="synthetic",
    # Setting ov: one that looks alike in both regions, and one that does not.
    ov=dict(unseen=["water", "bare"], defaults=dict(method="lora", backbone="nano_clip", head="cost_small")),
    # Of the target.
    gsd_m=0.7,
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
)
