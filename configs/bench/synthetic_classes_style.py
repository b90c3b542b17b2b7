"""Synthetic scene classes across styles: few labelled images of the region north, scored in the region south.

Launch: `rs-adapt train --bench synthetic-classes-style-dg` (no download, no GPU). The 14 classes of synthetic-b2n in
both regions; south has other soils, roofs, light and haze. Scores here say nothing about real images.
"""

_base_ = "_synthetic_classes.py"

bench = dict(
    name="synthetic_classes_style",
    direction="classes_style",
    title="Synthetic scene classes, north to south",
    settings=["dg"],
    source=dict(region="north", images="north/img_dir", split="north/split_rs_adapt.json"),
    target=dict(region="south", images="south/img_dir", split="south/split_rs_adapt.json"),
    prepare=dict(regions=["north", "south"]),
)
