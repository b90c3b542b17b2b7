"""`vfm_uda` with the adapted feature distillation of VFM-UDA++ (arXiv 2503.10685).

    rs-adapt train --bench loveda-da --strategy vfm-uda-plus --method earth-adapter

A learnt linear map of the adapted features has to agree with those of the frozen backbone (`distill_weight`,
rs_adapt/strategies/source_losses.py). Of the distillation only its name is known here: form, images (those of the
source) and the weight of 1 are ours, set by hand. The paper trains the whole of a ViT-Adapter; this term takes the
frozen features from the same backbone, so the method must keep it frozen.
"""

_base_ = "vfm_uda.py"

strategy = dict(
    name="vfm_uda_plus",
    title="VFM-UDA with adapted feature distillation (after VFM-UDA++)",
    distill_weight=1.0,
)
