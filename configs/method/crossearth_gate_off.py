"""The modules of CrossEarth-Gate, all on and never selected: the ablation of its gate.

    rs-adapt train --bench casid_sub2tem-dg --method crossearth_gate_off --protocol crossearth

14 331 744 parameters on DINOv2-L, all of which act and train at all times. In the paper's ablation on CASID this loses
2.3 points of mIoU against the gate (59.6 and 61.9).
"""

_base_ = "crossearth_gate.py"

method = dict(
    name="crossearth_gate_off",
    title="CrossEarth-Gate's modules without the gate",
)

model = dict(backbone=dict(adapter=dict(k=None)))
