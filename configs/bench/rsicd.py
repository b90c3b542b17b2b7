"""RSICD, scene classification from base classes to novel ones: 31 classes of 224 px, 10 921 images.

Launch: `rs-adapt data prepare rsicd`, then `rs-adapt train --bench rsicd-b2n`. Files: `rsicd/RSICD_images/*.jpg` and
`rsicd/txtclasses_rsicd/CLASS.txt`, as the data set is given out, or `rsicd/CLASS/*` with one folder a class. Base are
the first 16 classes, novel the other 15. Lu et al., IEEE TGRS 56(4), 2018, arXiv 1712.07835; its captions are not read.
The splits behind published scores of DCPL and QNet were never released; `rs-adapt data prepare` makes one of its own,
50/20/30 % a class.
"""

_base_ = "_rsicd.py"

bench = dict(
    name="rsicd",
    family="rsicd",
    title="RSICD, base to novel",
    direction="",
    default=True,
    settings=["b2n"],
    prepare=None,
    data="scene_classes",
    source=dict(region="rsicd", images="rsicd", split="rsicd/split_rs_adapt.json"),
    target=dict(region="rsicd", images="rsicd", split="rsicd/split_rs_adapt.json"),
)
