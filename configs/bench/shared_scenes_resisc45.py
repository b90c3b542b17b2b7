"""PatternNet to RESISC45: few images of the 11 classes that both, and RSICD and MLRSNet, have, scored on RESISC45.

Launch: `rs-adapt data prepare patternnet` and `rs-adapt data prepare resisc45`, then `rs-adapt train --bench
shared-scenes-dg --direction resisc45`. Images of other classes are left out. The curated sets of APPLeNet (CVPRW 2023),
named v2, have 16 shared classes and no split, so scores differ from theirs.
"""

_base_ = "_shared_scenes.py"

bench = dict(
    name="shared_scenes_resisc45",
    direction="resisc45",
    title="Shared classes, PatternNet to RESISC45",
    target=dict(
        region="resisc45",
        images="resisc45",
        split="resisc45/split_rs_adapt.json",
        # Class of the bench: name in the data set, where it differs.
        class_names={
            "baseball field": "baseball diamond",
        },
    ),
)
