"""PatternNet to RSICD: few images of the 11 classes that both, and RESISC45 and MLRSNet, have, scored on RSICD.

Launch: `rs-adapt data prepare patternnet` and `rs-adapt data prepare rsicd`, then `rs-adapt train --bench
shared-scenes-dg --direction rsicd`. Images of other classes are left out. The curated sets of APPLeNet (CVPRW 2023),
named v2, have 16 shared classes and no split, so scores differ from theirs.
"""

_base_ = "_shared_scenes.py"

bench = dict(
    name="shared_scenes_rsicd",
    direction="rsicd",
    default=True,
    title="Shared classes, PatternNet to RSICD",
    target=dict(
        region="rsicd",
        images="rsicd",
        split="rsicd/split_rs_adapt.json",
        # Class of the bench: name in the data set, where it differs.
        class_names={
            "harbor": "port",
            "overpass": "viaduct",
            "parking lot": "parking",
            "storage tank": "storage tanks",
        },
    ),
)
