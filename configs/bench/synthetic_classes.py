"""Synthetic scene classes, drawn on the spot: 14 kinds of places at 1 m a pixel, in the style of the region north.

Launch: `rs-adapt train --bench synthetic-b2n` (no download, no GPU). Base and novel are divided by the words that
nano-clip was trained with: it knows all words of the base names, and lacks a word of each novel name. The vectors of
such names stand for no word in particular, some are equal, and the novel accuracy says little about names (14 % by
chance). In synthetic-classes-known-b2n all names are known. 16 training, 4 validation and 16 test images a class.
Scores here say nothing about real images.
"""

_base_ = "_synthetic_classes.py"

bench = dict(
    name="synthetic_classes",
    direction="classes",
    title="Synthetic scene classes, north",
    settings=["b2n"],
    base_classes=["bare land", "dense residential", "farmland", "forest", "industrial", "road", "sparse residential"],
    novel_classes=["crossroads", "harbour", "lake", "orchard", "parking lot", "river", "sports field"],
    source=dict(region="north", images="north/img_dir", split="north/split_rs_adapt.json"),
    target=dict(region="north", images="north/img_dir", split="north/split_rs_adapt.json"),
    prepare=dict(regions=["north"]),
)
