"""`dacs` with pseudo-labels whose class shares are drawn to those of the source labels, and mixed images that count fully.

    rs-adapt train --bench synthetic-da --strategy dacs-aligned

For targets of which a class is hidden by the shift: a teacher that hardly predicts it teaches the student to forget it.
The teacher's probabilities are multiplied by (source share / teacher's mean share)^0.5 before the label is taken, after
the distribution alignment of ReMixMatch (arXiv 1911.09785, section 3.1); the exponent 0.5, half-way, is ours. It assumes
that both regions hold about the same classes in about the same shares. The other values are those of `dacs`, but for the
weight of mixed images, which is DACS's own 1.0.
"""

_base_ = "dacs.py"

strategy = dict(
    name="dacs_aligned",
    title="class mixing with class shares aligned to the source's",
    align=0.5,
    mix_weight=1.0,
)
