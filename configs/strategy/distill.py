"""A small student learns from a trained run: first its features, then its probabilities and the source's labels.

    rs-adapt train --bench loveda-da --backbone mit-b0 --strategy distill --teacher RUN

The run is frozen and may have any backbone, method and head; the student's own are those of the cell. In `da` the
student sees images of the source and, without labels, of the target; in `dg` of the source alone. The order of the
phases is that of GKD (arXiv 2603.02554), the kind of teacher LFMDA's (IEEE TIP 34, 2025); what departs from them says
rs_adapt/strategies/distill.py. All values were set by hand, before any score of a student.
"""

strategy = dict(
    name="distill",
    title="a small student learns a trained run's features, then its probabilities (--teacher RUN)",
    settings=["da", "dg", "ss"],
    needs_target=True,
    needs_teacher=True,
    type="rs_adapt.Distill",
    # As in the training of the teacher.
    match_gsd=False,
    # Probabilities per labelled image; see configs/strategy/dacs.py.
    style=dict(band_match=0.0, band_jitter=0.0, random_convolution=0.0),
    lr_warmup_iters="5%",
    # On the method's factor of the backbone's learning rate: the 0.1 of `full` is for weights that know much already.
    backbone_lr_mult=10.0,
    # First phase: the features, without labels.
    feature_iters="50%",
    # Second phase: the teacher's probabilities on all images, and the labels of the source.
    probability_weight=1.0,
    temperature=1.0,
    label_weight=1.0,
)
