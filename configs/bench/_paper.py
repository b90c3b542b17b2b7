"""What the four benches of the Earth-Adapter paper share: tiles, augmentation, schedule and optimizer.

Source: VisionXLab/Earth-Adapter @49a8ff8, configurations and training logs.
"""

bench = dict(
    # Label value 0 is "no data" (LoveDA) or "boundary" (ISPRS) and is not scored.
    reduce_zero_label=True,
    ignore_index=255,
    tile_px=512,
    crop_px=512,
    img_suffix=".png",
    ann_suffix=".png",
    pipeline=dict(
        resize_ratio=[0.5, 2.0],
        cat_max_ratio=0.75,
        flip_prob=0.5,
        photometric=True,
        # Of images that a teacher labels; None for the same as of labelled ones. protocol.teacher_view says what the
        # teacher sees of it.
        photometric_unlabelled=None,
        fourier_mix=0.0,
        histogram_match=0.0,
    ),
    # 2 crops x 20 000 iterations = 40 000 source crops (da); 4 x 20 000 = 80 000 (dg, ss).
    schedule=dict(iters=20000, eval_every=2000, batch_size=dict(da=2, dg=4, ss=4)),
    inference=dict(mode="slide", crop_px=512, stride_px=341),
    defaults=dict(method="earth_adapter", backbone="dinov2_l", head="mask2former"),
    prepare=None,
)
# AdamW, poly 0.9 down to 0, no warm-up, in all eight published runs.
optim = dict(lr=1e-4, weight_decay=0.05, poly_power=0.9)
