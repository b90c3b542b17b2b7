"""SAM-PARSER (AAAI 2024, arXiv 2308.14604): the singular values of the backbone's weights train.

    rs-adapt train --bench loveda-da --method sam_parser

148 224 parameters on DINOv2-L. Made for the convolutions in SAM's neck; a plain ViT has none, so all linear layers and
the patch embedding are targets.
"""

_base_ = "_recipe.py"

method = dict(
    name="sam_parser",
    title="SAM-PARSER",
    paper="https://arxiv.org/abs/2308.14604",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.SamParser",
            embed_dim=None,
            depth=None,
            mlp_dim=None,
            patch_px=None,
            targets=["patch_embed", "attn_q", "attn_k", "attn_v", "attn_out", "fc1", "fc2"],
            relative=False,
        ),
        frozen=True,
    ),
)
