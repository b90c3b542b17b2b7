"""What benches of scene classification share: few-shot learning of CLIP's prompts, scored by the names of classes.

One recipe for all methods: SGD with momentum 0.9 and CoOp's family's rate and decay, a cosine over the whole training,
and at first a linear rise. Images are resized to a square; training draws one of its eight turns and flips.
"""

bench = dict(
    task="classification",
    reduce_zero_label=False,
    ignore_index=255,
    gsd_m=None,
    img_suffix="",
    ann_suffix="",
    # CLIP's own side.
    tile_px=224,
    crop_px=224,
    # Labelled images of a class; validation has as many, at most 4.
    shots=16,
    # Turns and flips that training draws from, 1 to 8.
    views=8,
    base_classes=None,
    novel_classes=None,
    pipeline=dict(resize_ratio=[1.0, 1.0]),
    schedule=dict(iters=1000, eval_every=250, batch_size=dict(b2n=8, xd=8, dg=8)),
    inference=dict(mode="whole", crop_px=224, stride_px=224),
    defaults=dict(method="coop", backbone="clip_b_16", head="class_names", domain="mae_b_millionaid"),
)
optim = dict(lr=0.0035, weight_decay=5e-4, momentum=0.9, warmup_iters=50)
