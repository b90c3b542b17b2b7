"""NWPU-RESISC45, scene classification from base classes to novel ones: 45 classes of 256 px, 31 500 images.

Launch: `rs-adapt data prepare resisc45`, then `rs-adapt train --bench resisc45-b2n`. Files: `resisc45/CLASS/*` with
one folder a class. Base are the first 23 classes, novel the other 22. Cheng et al., Proceedings of the IEEE 105(10),
2017, arXiv 1703.00121. The splits behind published scores of DCPL and QNet were never released; `rs-adapt data
prepare` makes one of its own, 50/20/30 % a class.
"""

_base_ = "_resisc45.py"

bench = dict(
    name="resisc45",
    family="resisc45",
    title="NWPU-RESISC45, base to novel",
    direction="",
    default=True,
    settings=["b2n"],
    prepare=None,
    data="scene_classes",
    source=dict(region="resisc45", images="resisc45", split="resisc45/split_rs_adapt.json"),
    target=dict(region="resisc45", images="resisc45", split="resisc45/split_rs_adapt.json"),
)
