"""SoMA (CVPR 2025, arXiv 2412.04077): the smallest singular components of the weights train.

    rs-adapt train --bench loveda-da --method soma

Published for street scenes alone (GTAV to Cityscapes, BDD100K and Mapillary, mean 68.3); no number for remote sensing.
"""

_base_ = "_recipe.py"

method = dict(
    name="soma",
    title="SoMA",
    paper="https://arxiv.org/abs/2412.04077",
    # The weight decay falls to this value by a cosine, from optim.weight_decay; None: it stays.
    weight_decay_end=1e-5,
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Soma",
            embed_dim=None,
            depth=None,
            mlp_dim=None,
            rank=16,
            # None: a third of the blocks, 8 of 24.
            first_block=None,
            targets=["attn_q", "attn_k", "attn_v", "attn_out", "fc1", "fc2"],
            train_bias=True,
        ),
        frozen=True,
    ),
)
