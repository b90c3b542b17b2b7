"""Norm tuning (ICLR 2024, arXiv 2312.11420): gains and offsets of the backbone's norms train.

    rs-adapt train --bench loveda-da --method norm

98 304 parameters on DINOv2-L.
"""

_base_ = "_recipe.py"

method = dict(
    name="norm",
    title="Norm tuning",
    paper="https://arxiv.org/abs/2312.11420",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.NormTuning",
            embed_dim=None,
            depth=None,
        ),
        frozen=True,
    ),
)
