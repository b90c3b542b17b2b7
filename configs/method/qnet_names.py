"""QNet (CVPR 2024, arXiv 2312.08878): domain prompts of both towers by quaternion layers.

    rs-adapt train --bench aid-b2n --method qnet-names

2 147 104 parameters with CLIP ViT-B/16 and a domain feature of 512. `--method qnet` is its visual side alone, for
segmentation. `--set model.backbone.adapter.quaternion=false` takes dense layers.
"""

_base_ = "_recipe.py"

method = dict(
    name="qnet_names",
    title="QNet (both towers)",
    paper="https://arxiv.org/abs/2312.08878",
    task="classification",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.QuaternionPrompts",
            # A backbone; None for that of the bench.
            domain=None,
            embed_dim=None,
            depth=None,
            text_width=None,
            text_depth=None,
            domain_dim=None,
            num_context=2,
            prompt_depth=9,
            hidden=32,
            noise="train",
            quaternion=True,
            # Towers that the domain reaches: both, text or image.
            sides="both",
            start_words="a photo of a",
        ),
        frozen=True,
    ),
)
