"""MLRSNet, scene classification from base classes to novel ones: 46 classes of 256 px, 109 161 images.

Launch: `rs-adapt data prepare mlrsnet`, then `rs-adapt train --bench mlrsnet-b2n`. Files: `mlrsnet/CLASS/*` with one
folder a class. Base are the first 23 classes, novel the other 23. Qi et al., ISPRS Journal 169, 2020, arXiv
2010.00243. The splits behind published scores of DCPL and QNet were never released; `rs-adapt data prepare` makes one
of its own, 50/20/30 % a class.
"""

_base_ = "_mlrsnet.py"

bench = dict(
    name="mlrsnet",
    family="mlrsnet",
    title="MLRSNet, base to novel",
    direction="",
    default=True,
    settings=["b2n"],
    prepare=None,
    data="scene_classes",
    source=dict(region="mlrsnet", images="mlrsnet", split="mlrsnet/split_rs_adapt.json"),
    target=dict(region="mlrsnet", images="mlrsnet", split="mlrsnet/split_rs_adapt.json"),
)
