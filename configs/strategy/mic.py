"""Masked image consistency (Hoyer et al., CVPR 2023, arXiv 2212.01322) on top of DAFormer's training.

    rs-adapt train --bench loveda-da --strategy mic

The teacher's labels of the whole target image are learnt from a masked, colour-jittered one: blocks of 64 px of a crop
of 512 px (1/8), 70 % of them hidden, weight 1. Values: lhoyer/MIC @2f932a9, seg/configs/mic/. Its departures are those
of `daformer`.
"""

_base_ = "daformer.py"

strategy = dict(
    name="mic",
    title="DAFormer with masked target images (MIC)",
    mask_weight=1.0,
)
