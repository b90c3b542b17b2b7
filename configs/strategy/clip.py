"""CLIP's own loss on captions (arXiv 2103.00020), without negatives: what fine-tuning alone changes.

rs-adapt train --bench synthetic-compose-dg --strategy clip

"""

strategy = dict(
    name="clip",
    title="CLIP's contrastive loss alone",
    task="captions",
    settings=["dg"],
    needs_target=False,
    type="rs_adapt.CaptionAlignment",
    use_negatives=False,
    igc_weight=0.0,
    tgc_weight=0.0,
    distill_weight=0.0,
    ema_decay=0.9996,
    # "own" negatives in the denominator of an image, or those of the whole "batch", as the released code has them.
    pool="own",
)
