"""DeGLA (ACM MM 2025, arXiv 2504.16801): hard negatives, two grounded contrasts, distillation from its own average.

    rs-adapt train --bench synthetic-compose-dg --strategy degla

The weights are the paper's. The distance to the teacher is a sum over the batch, so 0.005 belongs to batches of 256.
What departs from the released code, rs_adapt/captions/objectives.py states.
"""

strategy = dict(
    name="degla",
    title="hard negatives, grounded contrasts and self-distillation (DeGLA)",
    task="captions",
    settings=["dg"],
    needs_target=False,
    type="rs_adapt.CaptionAlignment",
    use_negatives=True,
    # Image-grounded and text-grounded contrast, and the distance to the averaged teacher.
    igc_weight=0.1,
    tgc_weight=0.1,
    distill_weight=0.005,
    ema_decay=0.9996,
    # "own" negatives in the denominator of an image, or those of the whole "batch", as the released code has them.
    pool="own",
)
