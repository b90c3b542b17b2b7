"""What benches of images with captions share: CLIP fine-tuned against negatives, scored by choosing between texts.

The recipe of DeGLA (arXiv 2504.16801): AdamW with betas 0.9 and 0.98, eps 1e-6 and weight decay 0.1, rate 1e-6, a rise
over 50 iterations and a cosine; batches of 256.
"""

bench = dict(
    task="captions",
    reduce_zero_label=False,
    ignore_index=255,
    gsd_m=None,
    img_suffix="",
    ann_suffix="",
    tile_px=224,
    crop_px=224,
    # Items of one image are one unit of an interval.
    scene_pattern=r"(?P<scene>.*)#[^#]*",
    captions=dict(
        # A list (.csv, .tsv, .jsonl), a tar or a folder of tars, and the folder of the images of a list.
        train=None,
        train_images="",
        # Benchmarks to score: benchmark, source, and if needed images, template and kind; see docs/guides/captions.md.
        val=[],
        test=[],
        # Kinds that are scored beside the others and are not in the accuracy: what the model could do before.
        beside=[],
        # Negatives of each caption.
        negatives=4,
        # MODULE:FUNCTION that makes them, and a file of the words that the rules know.
        negative_maker=None,
        lexicon=None,
        # "refuse" or "cut" texts that are longer than CLIP reads.
        long_captions="refuse",
    ),
    pipeline=dict(resize_ratio=[1.0, 1.0]),
    schedule=dict(iters=2000, eval_every=500, batch_size=dict(dg=256)),
    inference=dict(mode="whole", crop_px=224, stride_px=224),
    defaults=dict(method="full", backbone="clip_b_32", head="two_towers"),
)
optim = dict(lr=1e-6, weight_decay=0.1, warmup_iters=50)
