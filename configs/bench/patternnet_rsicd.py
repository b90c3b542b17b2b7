"""PatternNet to RSICD: few images of PatternNet's classes, scored on RSICD's by their own names.

Launch: `rs-adapt data prepare patternnet` and `rs-adapt data prepare rsicd`, then `rs-adapt train --bench
patternnet-rsicd-xd`. As in APPLeNet (CVPRW 2023), whose splits differ: 50/20/30 % a class here.
"""

_base_ = "_rsicd.py"

bench = dict(
    name="patternnet_rsicd",
    family="patternnet",
    direction="rsicd",
    title="PatternNet to RSICD, across data sets",
    data="scene_classes",
    settings=["xd"],
    prepare=None,
    # The classes of that bench.
    source_classes="patternnet",
    source=dict(region="patternnet", images="patternnet", split="patternnet/split_rs_adapt.json"),
    target=dict(region="rsicd", images="rsicd", split="rsicd/split_rs_adapt.json"),
)
