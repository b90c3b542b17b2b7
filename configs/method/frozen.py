"""Frozen backbone: only the decode head trains; the floor that every adapter has to beat.

    rs-adapt train --bench loveda-da --method frozen

Published with DINOv2-L and Mask2Former (mIoU in %, one seed). For adaptation two papers of one group disagree, so take
neither as a target: P2V 21.0, V2P 7.2, R2U 21.5, U2R 11.8 (Earth-Adapter's main table) against 66.1, 59.2, 54.9, 45.5
(CrossEarth-Gate). Generalization: P2V 57.9, V2P 49.4, R2U 57.1, U2R 42.7 (Earth-Adapter).
"""

_base_ = "_recipe.py"

method = dict(
    name="frozen",
    title="Frozen backbone",
    paper=None,
)

model = dict(backbone=dict(adapter=None, frozen=True))
