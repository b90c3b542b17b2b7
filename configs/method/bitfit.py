"""BitFit (ACL 2022, arXiv 2106.10199): the biases of the backbone train, all but those of the keys.

    rs-adapt train --bench loveda-da --method bitfit

246 784 parameters on DINOv2-L.
"""

_base_ = "_recipe.py"

method = dict(
    name="bitfit",
    title="BitFit",
    paper="https://arxiv.org/abs/2106.10199",
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.BitFit",
            embed_dim=None,
            depth=None,
            mlp_dim=None,
            gated_mlp=None,
        ),
        frozen=True,
    ),
)
