"""AID, scene classification from base classes to novel ones: 30 classes of 600 px, 10 000 images.

Launch: `rs-adapt data prepare aid`, then `rs-adapt train --bench aid-b2n`. Files: `aid/CLASS/*` with one folder a
class. Base are the first 15 classes, novel the other 15. Xia et al., IEEE TGRS 55(7), 2017, arXiv 1608.05167. The
splits behind published scores of DCPL and QNet were never released; `rs-adapt data prepare` makes one of its own,
50/20/30 % a class.
"""

_base_ = "_scene_folders.py"

bench = dict(
    name="aid",
    family="aid",
    title="AID, base to novel",
    data="scene_classes",
    classes=[
        "airport",
        "bare land",
        "baseball field",
        "beach",
        "bridge",
        "center",
        "church",
        "commercial",
        "dense residential",
        "desert",
        "farmland",
        "forest",
        "industrial",
        "meadow",
        "medium residential",
        "mountain",
        "park",
        "parking",
        "playground",
        "pond",
        "port",
        "railway station",
        "resort",
        "river",
        "school",
        "sparse residential",
        "square",
        "stadium",
        "storage tanks",
        "viaduct",
    ],
    source=dict(region="aid", images="aid", split="aid/split_rs_adapt.json"),
    target=dict(region="aid", images="aid", split="aid/split_rs_adapt.json"),
)
