"""Full fine-tuning: all weights of the backbone train, at a tenth of the head's learning rate (1e-5).

    rs-adapt train --bench loveda-da --method full

304 M trainable parameters in DINOv2-L. Published with Mask2Former (mIoU in %, one seed). For adaptation two papers of
one group disagree, so take neither as a target: P2V 11.3, V2P 16.5, R2U 23.1, U2R 10.6 (Earth-Adapter's main table)
against 62.4, 59.6, 42.6, 35.8 (CrossEarth-Gate). Generalization: P2V 12.6, V2P 19.6, R2U 33.1, U2R 19.7
(Earth-Adapter).
"""

_base_ = "_recipe.py"

method = dict(
    name="full",
    title="Full fine-tuning",
    paper=None,
    paramwise=dict(backbone_lr_mult=0.1),
)

model = dict(backbone=dict(adapter=None, frozen=False))
