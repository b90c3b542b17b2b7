"""RecycleLoRA (CVPR 2026 findings, arXiv 2603.28142): columns of the weights that a pivoted QR chooses train.

    rs-adapt train --bench loveda-da --method recycle-lora

Published for street scenes alone (GTAV to Cityscapes, BDD100K and Mapillary, mean 69.0); no number for remote sensing.
"""

_base_ = "_recipe.py"

method = dict(
    name="recycle_lora",
    title="RecycleLoRA",
    paper="https://arxiv.org/abs/2603.28142",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.RecycleLora",
            embed_dim=None,
            depth=None,
            mlp_dim=None,
            main_rank=32,
            sub_rank=4,
            # 5e-5 where the main adapter has 1e-4.
            sub_lr_mult=0.5,
            targets=["attn_q", "attn_k", "attn_v", "attn_out", "fc1", "fc2"],
        ),
        frozen=True,
    ),
)
