"""PatternNet to NWPU-RESISC45: few images of PatternNet's classes, scored on NWPU-RESISC45's by their own names.

Launch: `rs-adapt data prepare patternnet` and `rs-adapt data prepare resisc45`, then `rs-adapt train --bench
patternnet-resisc45-xd`. As in APPLeNet (CVPRW 2023), whose splits differ: 50/20/30 % a class here.
"""

_base_ = "_resisc45.py"

bench = dict(
    name="patternnet_resisc45",
    family="patternnet",
    direction="resisc45",
    title="PatternNet to NWPU-RESISC45, across data sets",
    data="scene_classes",
    settings=["xd"],
    prepare=None,
    # The classes of that bench.
    source_classes="patternnet",
    source=dict(region="patternnet", images="patternnet", split="patternnet/split_rs_adapt.json"),
    target=dict(region="resisc45", images="resisc45", split="resisc45/split_rs_adapt.json"),
)
