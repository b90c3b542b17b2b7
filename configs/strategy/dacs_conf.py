"""DACS with pseudo-labels weighted by the share of sure pixels (arXiv 2007.08702), with the values of DAFormer's code.

    rs-adapt train --bench loveda-da --strategy dacs_conf

Values: lhoyer/DAFormer @e6f6e04, configs/_base_/uda/dacs.py: mixing from the first iteration with weight 1, teacher's
decay 0.99, threshold 0.968, colour jitter of 0.2 with probability 0.8 and blur with probability 0.5 on mixed images,
half of the classes of the whole batch pasted. That code jitters where a uniform draw exceeds 0.2. Departs from it in
what is the bench's here: the learning rate's decay has the power of `optim.poly_power` (0.9 in all benches; there 1.0),
tiles are resized at random before the crop (`bench.pipeline.resize_ratio`), and where a bench distorts colours, source
images and the student's view of target images have that distortion besides the jitter; there is none in that code
(--set bench.pipeline.photometric=False).
"""

_base_ = "dacs.py"

strategy = dict(
    name="dacs_conf",
    title="class mixing with an EMA teacher, weighted by confidence (DACS)",
    warmup_iters="0%",
    weighting="share",
    confidence=0.968,
    mix_weight=1.0,
    mix_classes="batch",
    jitter_prob=0.8,
    blur_prob=0.5,
)
