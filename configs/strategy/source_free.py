"""Adaptation without the source: a trained model learns from unlabelled images of the target alone.

    rs-adapt train --bench loveda-da --strategy source-free --from RUN

For a pack whose training images are not available. The run starts from the weights of `--from`, of the same method, and
opens no tile of the source: labels are those of an averaged teacher (CoTTA, Wang et al., CVPR 2022, arXiv 2203.13591:
decay 0.999), and the model is held near the one that it starts from. SHOT (Liang et al., ICML 2020, arXiv 2002.08546)
and TENT (Wang et al., ICLR 2021, arXiv 2006.10726) keep it near by training less. Mixed target images, the loss on the
anchor's probabilities and both weights of 1 are ours; they were set by hand, and tried on the development pairs of
`shifts` alone. Pairs without labels cannot say when to stop, so `--iters` should stay well below those of the source's
training.
"""

strategy = dict(
    name="source_free",
    title="from a trained model, on target images alone (no source), held near that model",
    settings=["da"],
    needs_target=True,
    needs_source=False,
    type="rs_adapt.SourceFree",
    # As in the training of the model that it starts from.
    match_gsd=False,
    lr_warmup_iters="0%",
    ema_decay="0.999 at 20000",
    # Pseudo-labels.
    weighting="none",
    confidence=None,
    per_class=False,
    border_px=0,
    # Target images, of which each has half of the classes of the next image of the batch pasted onto it.
    mix_weight=1.0,
    # Agreement with the model that the run starts from.
    anchor_weight=1.0,
)
