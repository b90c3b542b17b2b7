"""MLRSNet, scene classification from base classes to novel ones: 46 classes of 256 px, 109 161 images.

Launch: `rs-adapt data prepare mlrsnet`, then `rs-adapt train --bench mlrsnet-b2n`. Files: `mlrsnet/CLASS/*` with one
folder a class. Base are the first 23 classes, novel the other 23. Qi et al., ISPRS Journal 169, 2020, arXiv
2010.00243. The splits behind published scores of DCPL and QNet were never released; `rs-adapt data prepare` makes one
of its own, 50/20/30 % a class.
"""

_base_ = "_scene_folders.py"

bench = dict(
    name="mlrsnet",
    family="mlrsnet",
    title="MLRSNet, base to novel",
    data="scene_classes",
    classes=[
        "airplane",
        "airport",
        "bareland",
        "baseball diamond",
        "basketball court",
        "beach",
        "bridge",
        "chaparral",
        "cloud",
        "commercial area",
        "dense residential area",
        "desert",
        "eroded farmland",
        "farmland",
        "forest",
        "freeway",
        "golf course",
        "ground track field",
        "harbor",
        "industrial area",
        "intersection",
        "island",
        "lake",
        "meadow",
        "mobile home park",
        "mountain",
        "overpass",
        "park",
        "parking lot",
        "parkway",
        "railway",
        "railway station",
        "river",
        "roundabout",
        "shipping yard",
        "snowberg",
        "sparse residential area",
        "stadium",
        "storage tank",
        "swimming pool",
        "tennis court",
        "terrace",
        "transmission tower",
        "vegetable greenhouse",
        "wetland",
        "wind turbine",
    ],
    source=dict(region="mlrsnet", images="mlrsnet", split="mlrsnet/split_rs_adapt.json"),
    target=dict(region="mlrsnet", images="mlrsnet", split="mlrsnet/split_rs_adapt.json"),
)
