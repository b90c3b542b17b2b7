"""CoCoOp (CVPR 2022, arXiv 2203.05557): CoOp's context with an offset from the image.

    rs-adapt train --bench aid-b2n --method cocoop

35 360 parameters with CLIP ViT-B/16. The text tower runs once for each image and class.
"""

_base_ = "_recipe.py"

method = dict(name="cocoop", title="CoCoOp", paper="https://arxiv.org/abs/2203.05557", task="classification")

model = dict(
    backbone=dict(
        adapter=dict(type="rs_adapt.CoCoOp", text_width=None, text_dim=None, num_context=4, start_words="a photo of a"),
        frozen=True,
    ),
)
