"""What Earth-Adapter's published numbers are: the best of ten evaluations on the target's labelled validation tiles.

    rs-adapt train --bench loveda-da --protocol paper

Source: VisionXLab/Earth-Adapter @49a8ff8, configurations and training logs. Three things differ from `strict`, and each
of them uses target labels: the tiles that are scored are those that are validated on; the checkpoint is the one with
the best score on them; and in adaptation the crops of target images are drawn again until no class covers more than
three quarters of the labels in them. Use it to compare with published numbers, not to claim a result of adaptation.
`rs-adapt lint` names all three.
"""

_base_ = "strict.py"

protocol = dict(
    name="paper",
    title="Earth-Adapter's: best of ten evaluations on the target's validation labels",
    settings=["da", "dg", "ss"],
    target_crops="by_labels",
    # One pipeline for both domains, with the distortion in it.
    teacher_view="distorted",
    # mmdetection's Mask2Former.
    ignored_pixels="background",
    report_split="val",
    selection="oracle",
    # mmsegmentation's IoUMetric, with which the logs were written.
    absent_classes="zero_if_predicted",
    # In all eight published runs. An entry by setting holds for that setting alone.
    recipe={
        "optim.lr": 1e-4,
        "optim.weight_decay": 0.05,
        "optim.poly_power": 0.9,
        "bench.schedule.iters": dict(da=20000, dg=20000),
        "bench.schedule.eval_every": dict(da=2000, dg=2000),
        "bench.schedule.batch_size.da": dict(da=2),
        "bench.schedule.batch_size.dg": dict(dg=4),
        "bench.tile_px": 512,
        "bench.crop_px": 512,
        "bench.pipeline.resize_ratio": [0.5, 2.0],
        "bench.pipeline.cat_max_ratio": 0.75,
        "bench.pipeline.photometric": True,
        "bench.pipeline.photometric_unlabelled": dict(da=True),
        "strategy.warmup_iters": dict(da="20%"),
        "strategy.mix_weight": dict(da=0.5),
        "strategy.ema_decay": dict(da="0.99 at 20000"),
        "cell.backbone": "dinov2_l",
        "cell.head": "mask2former",
        "runtime.precision": "fp32",
    },
)
