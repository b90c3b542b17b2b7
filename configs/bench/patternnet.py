"""PatternNet, scene classification from base classes to novel ones: 38 classes of 256 px, 30 400 images.

Launch: `rs-adapt data prepare patternnet`, then `rs-adapt train --bench patternnet-b2n`. Files: `patternnet/CLASS/*`
with one folder a class. Base are the first 19 classes, novel the other 19. Zhou et al., ISPRS Journal 145, 2018,
arXiv 1706.03424. The splits behind published scores of DCPL and QNet were never released; `rs-adapt data prepare`
makes one of its own, 50/20/30 % a class.
"""

_base_ = "_scene_folders.py"

bench = dict(
    name="patternnet",
    family="patternnet",
    title="PatternNet, base to novel",
    data="scene_classes",
    classes=[
        "airplane",
        "baseball field",
        "basketball court",
        "beach",
        "bridge",
        "cemetery",
        "chaparral",
        "christmas tree farm",
        "closed road",
        "coastal mansion",
        "crosswalk",
        "dense residential",
        "ferry terminal",
        "football field",
        "forest",
        "freeway",
        "golf course",
        "harbor",
        "intersection",
        "mobile home park",
        "nursing home",
        "oil gas field",
        "oil well",
        "overpass",
        "parking lot",
        "parking space",
        "railway",
        "river",
        "runway",
        "runway marking",
        "shipping yard",
        "solar panel",
        "sparse residential",
        "storage tank",
        "swimming pool",
        "tennis court",
        "transformer station",
        "wastewater treatment plant",
    ],
    source=dict(region="patternnet", images="patternnet", split="patternnet/split_rs_adapt.json"),
    target=dict(region="patternnet", images="patternnet", split="patternnet/split_rs_adapt.json"),
)
