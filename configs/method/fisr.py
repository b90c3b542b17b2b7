"""FISR (arXiv 2401.15913): quaternion spatial modelling and dynamic flow convolution on Swin features.

    rs-adapt train --bench flow-sr --method fisr

All weights train. docs/guides/flow-super-resolution.md lists what the paper leaves open and what is chosen here.
"""

_base_ = "_recipe.py"

method = dict(
    name="fisr",
    title="FISR",
    paper="https://arxiv.org/abs/2401.15913",
    task="super-resolution",
)

model = dict(backbone=dict(adapter=dict(quaternion=True, flow_conv=True), frozen=False))
