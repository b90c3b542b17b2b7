"""DAFormer's training (Hoyer et al., CVPR 2022, arXiv 2111.14887): rare classes, a slow teacher, features held near.

    rs-adapt train --bench loveda-da --strategy daformer

On top of `dacs_conf`: crops with rare classes of the source are drawn more often (temperature 0.01), the teacher's
decay is 0.999, the learning rate rises over the first 1 500 of 40 000 iterations (3.75 %), and features of the source
are held near those of the frozen backbone without adapter (weight 0.005, cells of which one class covers 75 %).
Values: lhoyer/DAFormer @e6f6e04, configs/daformer/. Departs from it in three points besides those of `dacs_conf` (power
of the rate's decay, random resize, the bench's photometric distortion): `feature_classes=None` takes all classes, since
which classes are things is a fact of street scenes; the least number of pixels of a rare class, 3 000 of a crop of 512
x 512, is given as a share; the head's learning rate is the bench's, not ten times it.
"""

_base_ = "dacs_conf.py"

strategy = dict(
    name="daformer",
    title="DACS with rare-class sampling and feature distance (DAFormer)",
    lr_warmup_iters="3.75%",
    class_sampling=dict(temperature=0.01),
    # The published value for its 40 000 iterations and down to 20 000, below which it scales.
    ema_decay="0.999 at 20000",
    feature_weight=0.005,
)
