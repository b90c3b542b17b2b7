"""Synthetic scene classes, drawn on the spot: 14 kinds of places at 1 m a pixel, in the style of the region north.

Launch: `rs-adapt train --bench synthetic-b2n` (no download, no GPU). Base: bare land, crossroads, dense residential,
farmland, forest, harbour, industrial. Novel: lake, orchard, parking lot, river, road, sparse residential, sports field.
16 training, 4 validation and 16 test images a class. Scores here say nothing about real images.
"""

_base_ = "_synthetic_classes.py"

bench = dict(
    name="synthetic_classes",
    direction="classes",
    title="Synthetic scene classes, north",
    settings=["b2n"],
    source=dict(region="north", images="north/img_dir", split="north/split_rs_adapt.json"),
    target=dict(region="north", images="north/img_dir", split="north/split_rs_adapt.json"),
    prepare=dict(regions=["north"]),
)
