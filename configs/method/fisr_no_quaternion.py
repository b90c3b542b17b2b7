"""FISR without quaternion spatial modelling (arXiv 2401.15913): an ablation.

rs-adapt train --bench flow-sr --method fisr-no-quaternion
"""

_base_ = "fisr.py"

method = dict(name="fisr_no_quaternion", title="FISR without quaternion spatial modelling")

model = dict(backbone=dict(adapter=dict(quaternion=False)))
