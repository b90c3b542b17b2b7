"""Masked feature rebuilding (MRM, CVPR 2026, arXiv 2509.13801) on top of DAFormer's training.

    rs-adapt train --bench loveda-da --strategy mrm

40 % of the places of the target's features are hidden, two transformer blocks rebuild them from the rest, and the head
learns the teacher's labels from the result; nothing of it is left at inference. On other strategies it is --set
strategy.rebuild_weight=1.0. Known are the 40 %, the two blocks and the loss; the weight of 1 is set by hand, and what
else is ours is in rs_adapt/strategies/rebuilding.py. Its departures besides are those of `daformer`.
"""

_base_ = "daformer.py"

strategy = dict(
    name="mrm",
    title="DAFormer with masked feature rebuilding (MRM)",
    rebuild_weight=1.0,
)
