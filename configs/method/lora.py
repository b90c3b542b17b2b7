"""LoRA (ICLR 2022, arXiv 2106.09685): low-rank branches beside the queries' and values' projections.

    rs-adapt train --bench loveda-da --method lora

3 145 728 parameters on DINOv2-L. For adaptation two papers of one group disagree, so take neither as a target: P2V
17.8, V2P 18.8, R2U 24.5, U2R 26.0 (Earth-Adapter's main table, settings unknown) against a mean of 57.6
(CrossEarth-Gate, 6.4 M parameters). Generalization: 20.3, 25.6, 29.3, 21.9 (Earth-Adapter).
"""

_base_ = "_recipe.py"

method = dict(
    name="lora",
    title="LoRA",
    paper="https://arxiv.org/abs/2106.09685",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Lora",
            embed_dim=None,
            depth=None,
            mlp_dim=None,
            rank=32,
            alpha=32.0,
            targets=["attn_q", "attn_v"],
            dropout=0.0,
        ),
        frozen=True,
    ),
)
