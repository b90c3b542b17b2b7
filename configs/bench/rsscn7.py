"""RSSCN7, scene classification from base classes to novel ones: 7 classes of 400 px, 2 800 images.

Launch: `rs-adapt data prepare rsscn7`, then `rs-adapt train --bench rsscn7-b2n`. Files: `rsscn7/CLASS/*` with one
folder a class. Base are the first 4 classes, novel the other 3. Zou et al., IEEE GRSL 12(11), 2015. The splits behind
published scores of DCPL and QNet were never released; `rs-adapt data prepare` makes one of its own, 50/20/30 % a
class.
"""

_base_ = "_scene_folders.py"

bench = dict(
    name="rsscn7",
    family="rsscn7",
    title="RSSCN7, base to novel",
    data="scene_classes",
    classes=[
        "field",
        "forest",
        "grass",
        "industry",
        "parking",
        "resident",
        "river lake",
    ],
    source=dict(region="rsscn7", images="rsscn7", split="rsscn7/split_rs_adapt.json"),
    target=dict(region="rsscn7", images="rsscn7", split="rsscn7/split_rs_adapt.json"),
)
