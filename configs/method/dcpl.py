"""DCPL (AAAI 2024, arXiv 2310.07730), for dense tasks: deep prompts with a bias from the domain of the image.

    rs-adapt train --bench loveda-da --method dcpl

1 644 640 parameters on DINOv2-L. Runs the frozen backbone a second time in every forward, for the image's feature.
"""

_base_ = "_recipe.py"

method = dict(
    name="dcpl",
    title="DCPL (visual prompts)",
    paper="https://arxiv.org/abs/2310.07730",
    adds_tokens=True,
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.Dcpl",
            embed_dim=None,
            depth=None,
            num_tokens=8,
            prompt_dim=64,
            hidden=32,
            noise="train",
        ),
        frozen=True,
    ),
)
