"""AdaptFormer (NeurIPS 2022, arXiv 2205.13535): a bottleneck beside every MLP.

    rs-adapt train --bench loveda-da --method adaptformer

3 171 840 parameters on DINOv2-L. For adaptation two papers of one group disagree, so take neither as a target: P2V
12.9, V2P 15.3, R2U 25.1, U2R 22.2 (Earth-Adapter's main table, settings unknown) against a mean of 57.7
(CrossEarth-Gate, 3.2 M parameters). Generalization: 14.0, 19.3, 31.0, 15.8 (Earth-Adapter).
"""

_base_ = "_recipe.py"

method = dict(
    name="adaptformer",
    title="AdaptFormer",
    paper="https://arxiv.org/abs/2205.13535",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.AdaptFormer",
            embed_dim=None,
            depth=None,
            rank=64,
            scale=0.1,
            dropout=0.1,
            tap="pre_norm",
            after_layerscale=True,
            activation="relu",
        ),
        frozen=True,
    ),
)
