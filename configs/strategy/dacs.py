"""Self-training on class-mixed images with an EMA teacher, as Earth-Adapter's release adapts (arXiv 2504.06220).

    rs-adapt train --bench loveda-da --strategy dacs

After DACS (Tranheden et al., arXiv 2007.08702). Values: VisionXLab/Earth-Adapter @49a8ff8. Mixing starts after 4 000 of
its 20 000 iterations (20 %), the loss on mixed images weighs 0.5, the teacher's decay is 0.99, and pseudo-labels are
not weighted by confidence.
"""

strategy = dict(
    name="dacs",
    title="class mixing with an EMA teacher, unweighted (Earth-Adapter's)",
    settings=["da"],
    needs_target=True,
    type="rs_adapt.SelfTraining",
    # Durations are iterations, or a percentage of bench.schedule.iters.
    lr_warmup_iters="0%",
    warmup_iters="20%",
    # Rare-class sampling on the source, off without a temperature. A tile stands for a class that covers more than
    # min_share of it (3 000 px of 512 x 512); half of that must be left in the crop. What is beyond drawn_share is
    # drawn from all tiles alike.
    class_sampling=dict(temperature=None, min_share=3000 / 512**2, min_crop_ratio=0.5, max_tries=10, drawn_share=1.0),
    # Probabilities per labelled image: bands shifted to the target's statistics, or changed at random, and the image
    # mixed with a random convolution of itself.
    style=dict(band_match=0.0, band_jitter=0.0, random_convolution=0.0),
    # Enlarge the region with the larger pixels to the pixel size of the other, where the bench states both.
    match_gsd=False,
    # Of the schedule of the release; shorter ones get the same half-life as a share of their length.
    ema_decay="0.99 at 20000",
    # Pseudo-labels.
    weighting="none",
    confidence=None,
    per_class=False,
    align=0.0,
    border_px=0,
    # The teacher's probabilities are the mean over the image and its mirror image.
    teacher_mirror=False,
    # Class-mixed images.
    mix_weight=0.5,
    # Half of the classes of each source image are pasted ("image"), or half of those of the batch ("batch").
    mix_classes="image",
    jitter=0.2,
    jitter_prob=0.0,
    blur_prob=0.0,
    # Distance to the features of the frozen backbone without adapter.
    feature_weight=0.0,
    feature_classes=None,
    feature_min_share=0.75,
    # Agreement of a learnt linear map of the features with those of the frozen backbone.
    distill_weight=0.0,
    # Masked target images.
    mask_weight=0.0,
    mask_ratio=0.7,
    mask_block_share=0.125,
    # Features of the target with hidden places that two blocks rebuild.
    rebuild_weight=0.0,
    rebuild_ratio=0.4,
    # Source images with the target's classes pasted onto them, as the teacher labels them.
    back_weight=0.0,
    # Chance that the classes of a source image are moved towards the colours that the teacher finds for them.
    class_match=0.0,
)
