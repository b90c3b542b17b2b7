"""CrossEarth's benchmarks for generalization: trained on the source alone, scored on the target's test tiles.

    rs-adapt train --bench isprs-dg --protocol crossearth

Source: Cuzyoung/CrossEarth @f6def79 and arXiv 2410.22629. The configurations evaluate every 10 000 of 30 000 iterations
on the labelled target tiles that are reported, under a learning rate that would reach 0 at iteration 40 000; which of
the evaluations the tables show is not stated, and the training code is not published. Taken here: the last one.
"""

_base_ = "strict.py"

protocol = dict(
    name="crossearth",
    title="CrossEarth's generalization benchmarks, last weights",
    settings=["dg"],
    families=[
        "isprs",
        "isprs_irrg",
        "potsdam_bands",
        "rescuenet",
        "whu",
        "casid",
        "roads",
        "loveda",
        "loveda_1024",
    ],
    # mmsegmentation's IoUMetric, as in its configurations.
    absent_classes="zero_if_predicted",
    # mmdetection's Mask2Former.
    ignored_pixels="background",
    recipe={
        "optim.lr": 1e-4,
        "optim.weight_decay": 0.05,
        "optim.poly_power": 0.9,
        "bench.schedule.iters": 30000,
        "bench.schedule.eval_every": 10000,
        "param_scheduler.0.end": 40000,
        "cell.backbone": "dinov2_l",
        "cell.head": "mask2former",
    },
)
