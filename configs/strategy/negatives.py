"""CLIP's loss with each caption's negatives in the denominator of its image (arXiv 2504.16801, equation 4).

    rs-adapt train --bench synthetic-compose-dg --strategy negatives

The kind of training of NegCLIP (ICLR 2023), and the first row of DeGLA's ablation.
"""

strategy = dict(
    name="negatives",
    title="CLIP's loss with hard negatives",
    task="captions",
    settings=["dg"],
    needs_target=False,
    type="rs_adapt.CaptionAlignment",
    use_negatives=True,
    igc_weight=0.0,
    tgc_weight=0.0,
    distill_weight=0.0,
    ema_decay=0.9996,
    # "own" negatives in the denominator of an image, or those of the whole "batch", as the released code has them.
    pool="own",
)
