"""PatternNet to MLRSNet: few images of the 11 classes that both, and RSICD and RESISC45, have, scored on MLRSNet.

Launch: `rs-adapt data prepare patternnet` and `rs-adapt data prepare mlrsnet`, then `rs-adapt train --bench
shared-scenes-dg --direction mlrsnet`. Images of other classes are left out. The curated sets of APPLeNet (CVPRW 2023),
named v2, have 16 shared classes and no split, so scores differ from theirs.
"""

_base_ = "_shared_scenes.py"

bench = dict(
    name="shared_scenes_mlrsnet",
    direction="mlrsnet",
    title="Shared classes, PatternNet to MLRSNet",
    target=dict(
        region="mlrsnet",
        images="mlrsnet",
        split="mlrsnet/split_rs_adapt.json",
        # Class of the bench: name in the data set, where it differs.
        class_names={
            "baseball field": "baseball diamond",
            "dense residential": "dense residential area",
            "sparse residential": "sparse residential area",
        },
    ),
)
