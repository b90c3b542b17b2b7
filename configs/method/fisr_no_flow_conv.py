"""FISR without dynamic flow convolution (arXiv 2401.15913): an ablation.

rs-adapt train --bench flow-sr --method fisr-no-flow-conv
"""

_base_ = "fisr.py"

method = dict(name="fisr_no_flow_conv", title="FISR without dynamic flow convolution")

model = dict(backbone=dict(adapter=dict(flow_conv=False)))
