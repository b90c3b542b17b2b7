"""Synthetic scenes, north to a south at half the resolution: pixels of 1 m beside those of 0.5 m.

Launch: `rs-adapt train --bench synthetic-half-da` (no download, no GPU).
The two regions of `synthetic`, with the south drawn in pixels twice as large as the north's, so that a scene shows four
times the ground, to compare ways to bring both to one size: none, `strategy.match_gsd` and `bench.resolve`. Scores
here say nothing about real regions.
"""

_base_ = "_synthetic.py"

bench = dict(
    name="synthetic_half",
    family="synthetic",
    direction="half",
    title="Synthetic scenes, north to south at half the resolution",
    data="synthetic",
    # Of the target.
    gsd_m=1.0,
    source=dict(
        region="north",
        bands="RGB",
        gsd_m=0.5,
        train=dict(img_dir="north/train/img_dir", ann_dir="north/train/ann_dir"),
        val=dict(img_dir="north/val/img_dir", ann_dir="north/val/ann_dir"),
        test=dict(img_dir="north/test/img_dir", ann_dir="north/test/ann_dir"),
    ),
    target=dict(
        region="coarse_south",
        bands="RGB",
        gsd_m=1.0,
        train=dict(img_dir="coarse_south/train/img_dir", ann_dir="coarse_south/train/ann_dir"),
        val=dict(img_dir="coarse_south/val/img_dir", ann_dir="coarse_south/val/ann_dir"),
        test=dict(img_dir="coarse_south/test/img_dir", ann_dir="coarse_south/test/ann_dir"),
    ),
    prepare=dict(regions=["north", "coarse_south"]),
)
