"""Synthetic scene classes whose names nano-clip was trained with: 7 of the 14 of synthetic-b2n.

Launch: `rs-adapt train --bench synthetic-classes-known-b2n` (no download, no GPU). Base: bare land, dense residential,
farmland, forest. Novel: industrial, road, sparse residential. As of published protocols, a novel class has no labelled
image here and a name that CLIP knows from its own training; so its accuracy is no measure of unseen words. 16 training,
4 validation and 16 test images a class. Scores here say nothing about real images.
"""

_base_ = "_synthetic_classes.py"

bench = dict(
    name="synthetic_classes_known",
    direction="classes_known",
    title="Synthetic scene classes with known names, north",
    settings=["b2n"],
    classes=["bare land", "dense residential", "farmland", "forest", "industrial", "road", "sparse residential"],
    # The images are those of all 14 classes; of the others none are used.
    source=dict(region="north", images="north/img_dir", split="north/split_rs_adapt.json", class_names={}),
    target=dict(region="north", images="north/img_dir", split="north/split_rs_adapt.json", class_names={}),
    prepare=dict(regions=["north"]),
)
