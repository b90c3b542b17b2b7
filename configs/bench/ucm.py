"""UC Merced, scene classification from base classes to novel ones: 21 classes of 256 px, 2 100 images.

Launch: `rs-adapt data prepare ucm`, then `rs-adapt train --bench ucm-b2n`. Files: `ucm/CLASS/*` with one folder a
class. Base are the first 11 classes, novel the other 10. Yang and Newsam, ACM GIS 2010. The splits behind published
scores of DCPL and QNet were never released; `rs-adapt data prepare` makes one of its own, 50/20/30 % a class.
"""

_base_ = "_scene_folders.py"

bench = dict(
    name="ucm",
    family="ucm",
    title="UC Merced, base to novel",
    data="scene_classes",
    classes=[
        "agricultural",
        "airplane",
        "baseball diamond",
        "beach",
        "buildings",
        "chaparral",
        "dense residential",
        "forest",
        "freeway",
        "golf course",
        "harbor",
        "intersection",
        "medium residential",
        "mobile home park",
        "overpass",
        "parking lot",
        "river",
        "runway",
        "sparse residential",
        "storage tanks",
        "tennis court",
    ],
    source=dict(region="ucm", images="ucm", split="ucm/split_rs_adapt.json"),
    target=dict(region="ucm", images="ucm", split="ucm/split_rs_adapt.json"),
)
