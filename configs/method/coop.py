"""CoOp (IJCV 2022, arXiv 2109.01134): the words before a class name are vectors that train.

    rs-adapt train --bench aid-b2n --method coop

2 048 parameters with CLIP ViT-B/16. The image side is frozen: each image and view is computed once a run.
"""

_base_ = "_recipe.py"

method = dict(name="coop", title="CoOp", paper="https://arxiv.org/abs/2109.01134", task="classification")

model = dict(
    backbone=dict(
        adapter=dict(type="rs_adapt.CoOp", text_width=None, num_context=4, start_words="a photo of a"),
        frozen=True,
    ),
)
