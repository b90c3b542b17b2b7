"""Labels of the target are read to score and for nothing else; the last weights are the result.

    rs-adapt train --bench loveda-da

The default. Adaptation sees the target's training images without labels, generalization sees none of it. The score is
on tiles that no training touched: the bench's test split, or its validation split where there is no third one. Nothing
is chosen by a score on it. What other ways of choosing a checkpoint would have given stands beside the result.
"""

protocol = dict(
    name="strict",
    version=1,
    title="the last weights; target labels are read to score only",
    settings=["da", "dg", "ss", "ov"],
    # Bench families that it is meant for; None for all.
    families=None,
    # Which images of the target adaptation learns from, and whether its crops are drawn "blind" or "by_labels".
    unlabelled_split="train",
    target_crops="blind",
    # What the teacher of an adaptation labels where bench.pipeline.photometric_unlabelled distorts target images:
    # the "plain" view, while the student learns from the distorted one, or the "distorted" view itself.
    teacher_view="plain",
    # What a head that predicts masks learns of pixels without label: nothing ("left_out"), or, as in mmdetection, that
    # no mask covers them ("background").
    ignored_pixels="left_out",
    # What is scored: "test" (the bench's test split, or val where it has no third one), "val", or "server" (images
    # whose labels somebody else holds).
    report_split="test",
    # Classes in the mean: "all", or without some, as "no-clutter".
    classes="all",
    # What a class without true pixels in the scored split counts: "left_out" of the mean, or "zero_if_predicted", as in
    # mmsegmentation, whose mean has an IoU of 0 for it as soon as one pixel is predicted as it.
    absent_classes="left_out",
    # "slide" or "whole"; None as the bench has it.
    inference=None,
    # "student", or "teacher" for the averaged weights of self-training.
    weights="student",
    # Which checkpoint is the result: "last", "guarded" (the last, or that from before adaptation where evidence without
    # labels speaks for it), "best_source_val", "best_label_free" or "oracle".
    selection="last",
    # The statistic behind "best_label_free": "info_max", "entropy", "agreement", "info_max_calibrated",
    # "predicted_accuracy", "prior_agreement" or "discriminant_agreement"; see rs_adapt/metrics/label_free.py. On the
    # development pairs of shifts none is shown to choose better than "last" (docs/project/results-selection.md).
    label_free="info_max",
    # Evenly spread tiles that are looked at in each evaluation besides the target's labelled ones.
    source_val_tiles=128,
    label_free_tiles=64,
    # Keys of the resolved config with the published values, for `rs-adapt lint`; empty where none are.
    recipe=dict(),
)
