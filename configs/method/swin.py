"""Swin layers and sub-pixel convolution alone (arXiv 2209.11345): FISR without both of its parts.

rs-adapt train --bench flow-sr --method swin
"""

_base_ = "fisr.py"

method = dict(name="swin", title="Swin", paper="https://arxiv.org/abs/2209.11345")

model = dict(backbone=dict(adapter=dict(quaternion=False, flow_conv=False)))
