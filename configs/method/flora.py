"""FLoRA (ICLR 2025, arXiv 2405.14739): low-rank change of weights in all their dimensions, patch embedding included.

    rs-adapt train --bench loveda-da --method flora

1 601 801 parameters on DINOv2-L. Ranks and scale are those of the authors' example for ConvNeXt; their settings for
vision are not published.
"""

_base_ = "_recipe.py"

method = dict(
    name="flora",
    title="FLoRA",
    paper="https://arxiv.org/abs/2405.14739",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Flora",
            embed_dim=None,
            depth=None,
            mlp_dim=None,
            patch_px=None,
            rank=16,
            kernel_rank=2,
            scale=4.0,
            targets=["patch_embed", "attn_q", "attn_v"],
        ),
        frozen=True,
    ),
)
