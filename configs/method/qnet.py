"""QNet (CVPR 2024, arXiv 2312.08878), for dense tasks: deep prompts that quaternion layers make of the image's domain.

    rs-adapt train --bench loveda-da --method qnet

858 208 parameters on DINOv2-L. Runs the frozen backbone a second time in every forward, for the image's feature.
"""

_base_ = "_recipe.py"

method = dict(
    name="qnet",
    title="QNet (visual prompts)",
    paper="https://arxiv.org/abs/2312.08878",
    adds_tokens=True,
)

model = dict(
    backbone=dict(
        adapter=dict(
            type="rs_adapt.QNet",
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
