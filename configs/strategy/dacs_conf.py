"""DACS with pseudo-labels weighted by the share of sure pixels (arXiv 2007.08702), with the values of DAFormer's code.

    rs-adapt train --bench loveda-da --strategy dacs_conf

Values: lhoyer/DAFormer @e6f6e04, configs/_base_/uda/dacs.py: mixing from the first iteration with weight 1, teacher's
decay 0.99, threshold 0.968, colour jitter of 0.2 with probability 0.2 and blur with probability 0.5 on mixed images.
"""

_base_ = "dacs.py"

strategy = dict(
    name="dacs_conf",
    title="class mixing with an EMA teacher, weighted by confidence (DACS)",
    warmup_iters="0%",
    weighting="share",
    confidence=0.968,
    mix_weight=1.0,
    jitter_prob=0.2,
    blur_prob=0.5,
)
