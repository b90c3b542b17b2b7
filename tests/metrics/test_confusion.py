"""Confusion matrix and scores: by hand, by mmsegmentation, and by their symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from rs_adapt.config.facts import AbsentClasses
from rs_adapt.errors import DataError
from rs_adapt.metrics import ConfusionMetric, confusion_matrix, scores_of


def test_rows_of_counts_are_the_truth_and_ignored_pixels_do_not_count() -> None:
    truth = torch.tensor([[0, 0, 1, 255]])
    prediction = torch.tensor([[0, 1, 1, 0]])
    assert confusion_matrix(truth, prediction, 2).tolist() == [[1, 1], [0, 1]]


def test_label_outside_the_classes_is_refused() -> None:
    with pytest.raises(DataError, match=r"label 5 is outside the 2 classes \(1 pixel\).*0 to 1, and 255 is ignored"):
        confusion_matrix(torch.tensor([5]), torch.tensor([0]), 2)
    with pytest.raises(DataError, match="label -1 is outside the 2 classes"):
        confusion_matrix(torch.tensor([0, -1]), torch.tensor([0, 0]), 2)


@pytest.mark.parametrize("value", [2, 3, -1, 255])
def test_prediction_outside_the_classes_is_refused(value: int) -> None:
    truth = torch.tensor([0, 1, 1], dtype=torch.uint8)
    with pytest.raises(DataError, match=rf"prediction {value} is outside the 2 classes \(2 pixels\)"):
        confusion_matrix(truth, torch.tensor([0, value, value]), 2)
    # Where there is no label, nothing is counted, so nothing can be wrong.
    ignored = torch.tensor([0, 255, 255], dtype=torch.uint8)
    assert confusion_matrix(ignored, torch.tensor([0, value, value]), 2).tolist() == [[1, 0], [0, 0]]


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


def test_one_pixel_of_an_absent_class_does_not_move_the_mean() -> None:
    names = ["here", "there", "absent"]
    matrix = np.array([[3_000_000, 0, 1], [0, 2_000_000, 0], [0, 0, 0]])
    ours = scores_of(matrix, names)
    assert (ours.miou_pct, ours.macc_pct) == (pytest.approx(100, abs=1e-4), pytest.approx(100, abs=1e-4))
    assert math.isnan(ours.iou_pct["absent"])
    theirs = scores_of(matrix, names, absent="zero_if_predicted")
    assert (theirs.miou_pct, theirs.iou_pct["absent"]) == (pytest.approx(200 / 3, abs=1e-4), 0.0)
    # The accuracy has true pixels below the line: it is a mean over the classes that have some under both rules.
    assert theirs.macc_pct == ours.macc_pct


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


@pytest.mark.parametrize("absent", ["left_out", "zero_if_predicted"])
def test_metric_equals_mmsegmentations_without_true_pixels_under_its_rule(absent: AbsentClasses) -> None:
    truth = torch.tensor([[[0, 0, 1, 1]]])
    prediction = torch.tensor([[[0, 0, 1, 2]]])
    samples = [{"img_path": "a.png", "pred_sem_seg": {"data": prediction}, "gt_sem_seg": {"data": truth}}]
    classes = ["a", "b", "c", "d"]
    ours, theirs = ConfusionMetric(classes=classes, absent_classes=absent), IoUMetric(iou_metrics=["mIoU"])
    for metric in (ours, theirs):
        metric.dataset_meta = {"classes": classes}
        metric.process({}, samples)
    mine, reference = ours.evaluate(1), theirs.evaluate(1)
    # IoU 100 and 50; c is predicted without being there, d is neither.
    assert reference["mIoU"] == 50.0
    assert mine["miou_pct"] == pytest.approx({"left_out": 75.0, "zero_if_predicted": 50.0}[absent])
    assert mine["macc_pct"] == pytest.approx(reference["mAcc"]) == pytest.approx(75.0)
