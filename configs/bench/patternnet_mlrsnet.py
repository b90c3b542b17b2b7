"""PatternNet to MLRSNet: few images of PatternNet's classes, scored on MLRSNet's by their own names.

Launch: `rs-adapt data prepare patternnet` and `rs-adapt data prepare mlrsnet`, then `rs-adapt train --bench
patternnet-mlrsnet-xd`. As in APPLeNet (CVPRW 2023), whose splits differ: 50/20/30 % a class here.
"""

_base_ = "_mlrsnet.py"

bench = dict(
    name="patternnet_mlrsnet",
    family="patternnet",
    direction="mlrsnet",
    title="PatternNet to MLRSNet, across data sets",
    data="scene_classes",
    settings=["xd"],
    prepare=None,
    # The classes of that bench.
    source_classes="patternnet",
    source=dict(region="patternnet", images="patternnet", split="patternnet/split_rs_adapt.json"),
    target=dict(region="mlrsnet", images="mlrsnet", split="mlrsnet/split_rs_adapt.json"),
)
