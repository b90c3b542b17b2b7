"""Confusion matrix and scores: by hand, by mmsegmentation, and by their symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from rs_adapt.metrics import ConfusionMetric, confusion_matrix, scores_of


def test_rows_of_counts_are_the_truth_and_ignored_pixels_do_not_count() -> None:
    truth = torch.tensor([[0, 0, 1, 255]])
    prediction = torch.tensor([[0, 1, 1, 0]])
    assert confusion_matrix(truth, prediction, 2).tolist() == [[1, 1], [0, 1]]


def test_label_outside_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="label 5 is outside the 2 classes"):
        confusion_matrix(torch.tensor([5]), torch.tensor([0]), 2)


def test_scores_equal_a_hand_computation() -> None:
    scores = scores_of(np.array([[1, 1], [0, 2]]), ["a", "b"])
    assert scores.iou_pct == {"a": 50.0, "b": pytest.approx(200 / 3)}
    assert scores.acc_pct == {"a": 50.0, "b": 100.0}
    assert scores.miou_pct == pytest.approx((50 + 200 / 3) / 2)
    assert (scores.aacc_pct, scores.macc_pct) == (75.0, 75.0)


def test_absent_class_has_no_value_and_does_not_count() -> None:
    scores = scores_of(np.array([[4, 0], [0, 0]]), ["here", "absent"])
    assert math.isnan(scores.iou_pct["absent"])
    assert scores.miou_pct == 100.0


def test_order_of_classes_does_not_matter() -> None:
    matrix = torch.randint(0, 50, (5, 5)).numpy()
    order = [3, 1, 4, 0, 2]
    names = list("abcde")
    ours = scores_of(matrix, names)
    turned = scores_of(matrix[np.ix_(order, order)], [names[i] for i in order])
    assert turned.miou_pct == pytest.approx(ours.miou_pct)
    assert turned.iou_pct == pytest.approx(ours.iou_pct)


def test_metric_equals_mmsegmentations() -> None:
    classes = ["a", "b", "c", "d"]
    truths = [torch.randint(0, 4, (1, 16, 12)) for _ in range(3)]
    truths[0][:, :4] = 255
    predictions = [torch.where(torch.rand(t.shape) < 0.6, t.clamp_max(3), torch.randint(0, 4, t.shape)) for t in truths]
    samples = [
        {"img_path": f"{n}.png", "pred_sem_seg": {"data": p}, "gt_sem_seg": {"data": t}}
        for n, (p, t) in enumerate(zip(predictions, truths, strict=True))
    ]
    ours, theirs = ConfusionMetric(classes=classes), IoUMetric(iou_metrics=["mIoU"])
    for metric in (ours, theirs):
        metric.dataset_meta = {"classes": classes}
        metric.process({}, samples)
    mine, reference = ours.evaluate(3), theirs.evaluate(3)
    assert mine["miou_pct"] == pytest.approx(reference["mIoU"], abs=0.01)
    assert mine["aacc_pct"] == pytest.approx(reference["aAcc"], abs=0.01)
    assert mine["macc_pct"] == pytest.approx(reference["mAcc"], abs=0.01)
    assert [path for path, _ in ours.by_image] == ["0.png", "1.png", "2.png"]
    assert [int(counts_KK.sum()) for _, counts_KK in ours.by_image] == [16 * 12 - 4 * 12, 16 * 12, 16 * 12]
