"""SAM-COBOT (CVPR 2024, arXiv 2311.17112): Houlsby's adapters orchestrated across the blocks.

    rs-adapt train --bench loveda-da --method cobot_adapter

6 401 280 parameters on DINOv2-L.
"""

_base_ = "_recipe.py"

method = dict(
    name="cobot_adapter",
    title="SAM-COBOT on Houlsby's adapters",
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
            host=dict(type="rs_adapt.Houlsby", embed_dim=None, depth=None, rank=64, after_layerscale=True),
        ),
        frozen=True,
    ),
)
