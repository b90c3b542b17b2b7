"""SAM-COBOT (CVPR 2024, arXiv 2311.17112): the branches of AdaptFormer orchestrated across the blocks.

    rs-adapt train --bench loveda-da --method cobot_adaptformer

3 200 064 parameters on DINOv2-L.
"""

_base_ = "_recipe.py"

method = dict(
    name="cobot_adaptformer",
    title="SAM-COBOT on AdaptFormer",
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
                type="rs_adapt.AdaptFormer",
                embed_dim=None,
                depth=None,
                rank=64,
                scale=0.1,
                dropout=0.1,
                tap="pre_norm",
                after_layerscale=True,
            ),
        ),
        frozen=True,
    ),
)
