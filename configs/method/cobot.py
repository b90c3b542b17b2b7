"""SAM-COBOT (CVPR 2024, arXiv 2311.17112): the bottlenecks of LoRA orchestrated across the blocks.

    rs-adapt train --bench loveda-da --method cobot

3 163 392 parameters on DINOv2-L, 3 145 728 of them LoRA's. `cobot_adaptformer` and `cobot_adapter` have other hosts.
"""

_base_ = "_recipe.py"

method = dict(
    name="cobot",
    title="SAM-COBOT on LoRA",
    paper="https://arxiv.org/abs/2311.17112",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Cobot",
            embed_dim=None,
            depth=None,
            patch_px=None,
            mlp_dim=None,
            gated_mlp=None,
            start="orthogonal",
            host=dict(
                type="rs_adapt.Lora",
                embed_dim=None,
                depth=None,
                mlp_dim=None,
                rank=32,
                alpha=32.0,
                targets=["attn_q", "attn_v"],
                dropout=0.0,
            ),
        ),
        frozen=True,
    ),
)
