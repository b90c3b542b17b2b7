"""MaPLe (CVPR 2023, arXiv 2210.03117): prompts in both towers of CLIP, the visual ones projected from the text's.

    rs-adapt train --bench aid-b2n --method maple

3 555 072 parameters with CLIP ViT-B/16.
"""

_base_ = "_recipe.py"

method = dict(name="maple", title="MaPLe", paper="https://arxiv.org/abs/2210.03117", task="classification")

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.MaPLe",
            embed_dim=None,
            depth=None,
            text_width=None,
            text_depth=None,
            num_context=2,
            prompt_depth=9,
            start_words="a photo of a",
        ),
        frozen=True,
    ),
)
