"""Adapters after attention and after the MLP (Houlsby et al., ICML 2019, arXiv 1902.00751).

    rs-adapt train --bench loveda-da --method adapter

6 343 680 parameters on DINOv2-L. Published with DINOv2-L and Mask2Former (mIoU in %, one seed, settings unknown):
adaptation P2V 66.4, V2P 59.3, R2U 55.9, U2R 46.2; generalization P2V 56.0, V2P 47.4, R2U 57.6, U2R 41.8
(Earth-Adapter's main table).
"""

_base_ = "_recipe.py"

method = dict(
    name="adapter",
    title="Adapter (Houlsby)",
    paper="https://arxiv.org/abs/1902.00751",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Houlsby",
            embed_dim=None,
            depth=None,
            rank=64,
            after_layerscale=True,
        ),
        frozen=True,
    ),
)
