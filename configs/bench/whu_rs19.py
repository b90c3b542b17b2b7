"""WHU-RS19, scene classification from base classes to novel ones: 19 classes of 600 px, 1 005 images.

Launch: `rs-adapt data prepare whu-rs19`, then `rs-adapt train --bench whu-rs19-b2n`. Files: `whu_rs19/CLASS/*` with
one folder a class. Base are the first 10 classes, novel the other 9. Xia et al., ISPRS TC VII Symposium 2010. The
splits behind published scores of DCPL and QNet were never released; `rs-adapt data prepare` makes one of its own,
50/20/30 % a class.
"""

_base_ = "_scene_folders.py"

bench = dict(
    name="whu_rs19",
    family="whu_rs19",
    title="WHU-RS19, base to novel",
    data="scene_classes",
    classes=[
        "airport",
        "beach",
        "bridge",
        "commercial",
        "desert",
        "farmland",
        "football field",
        "forest",
        "industrial",
        "meadow",
        "mountain",
        "park",
        "parking",
        "pond",
        "port",
        "railway station",
        "residential",
        "river",
        "viaduct",
    ],
    source=dict(region="whu_rs19", images="whu_rs19", split="whu_rs19/split_rs_adapt.json"),
    target=dict(region="whu_rs19", images="whu_rs19", split="whu_rs19/split_rs_adapt.json"),
)
