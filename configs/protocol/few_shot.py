"""Few labelled images of the source; labels of the target are read to score and for nothing else.

    rs-adapt train --bench synthetic-b2n

The default of scene classification. Every class of the source has as many training images as bench.shots says, which
the seed draws. The last weights are the result. Each test image is decided among the classes of its group: base among
base and novel among novel (b2n), else among all.
"""

_base_ = "strict.py"

protocol = dict(
    name="few_shot",
    title="few labelled images, the last weights; target labels are read to score only",
    settings=["b2n", "xd", "dg"],
    task="classification",
    source_val_tiles=128,
)
