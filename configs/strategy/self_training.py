"""Self-training on class-mixed images with an EMA teacher, as in DACS (arXiv 2007.08702) and Earth-Adapter.

Values: VisionXLab/Earth-Adapter @49a8ff8. Mixing starts after 4 000 of its 20 000 iterations (20 %), the loss on mixed
images weighs 0.5, the teacher's decay is 0.99, and pseudo-labels are not weighted by confidence. `confidence=0.968`
is the DACS and DAFormer threshold.
"""

strategy = dict(
    name="self_training",
    title="class-mixed self-training with an EMA teacher (DACS)",
    settings=["da"],
    needs_target=True,
    type="rs_adapt.SelfTraining",
    # Iterations, or a percentage of bench.schedule.iters.
    warmup_iters="20%",
    mix_weight=0.5,
    ema_decay=0.99,
    confidence=None,
)
