"""H-CLIP's image side (CVPR 2025, arXiv 2405.18840): block-diagonal transforms of attention, mixed by relations.

    rs-adapt train --bench loveda-da --method hclip

6 306 816 parameters on DINOv2-L. Blocks of 64 where the paper has 128: the shared tensor is linear in the block's side.
"""

_base_ = "_recipe.py"

method = dict(
    name="hclip",
    title="H-CLIP (image side)",
    paper="https://arxiv.org/abs/2405.18840",
    # As in the released code (2e-6 beside 2e-4): the blocks multiply whole weights. At the head's rate the features fit
    # the source alone.
    paramwise=dict(adapter_lr_mult=0.01),
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.HClip",
            embed_dim=None,
            depth=None,
            block_dim=64,
            orthogonal=False,
            relations=True,
        ),
        frozen=True,
    ),
)
