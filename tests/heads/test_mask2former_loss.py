from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rs_adapt.errors import DataError
from rs_adapt.heads.mask2former_loss import Mask2FormerLoss
from rs_adapt.heads.mask2former_points import dice_loss, mask_at_points, masks_at_points, sample_logits

GOLDEN = Path(__file__).parents[1] / "golden" / "mask2former_tiny.safetensors"
NUM_CLASSES = 4


def criterion(num_points: int = 256, num_classes: int = NUM_CLASSES) -> Mask2FormerLoss:
    return Mask2FormerLoss(
        num_classes=num_classes,
        ignore_index=255,
        num_points=num_points,
        oversample_ratio=3.0,
        importance_ratio=0.75,
        class_weight=2.0,
        mask_weight=5.0,
        dice_weight=5.0,
        no_object_weight=0.1,
    )


def draw(predictions: int = 3, batch: int = 2, queries: int = 6) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    classes = [torch.randn(batch, queries, NUM_CLASSES + 1, generator=generator) for _ in range(predictions)]
    masks = [torch.randn(batch, queries, 8, 12, generator=generator) for _ in range(predictions)]
    return [c.requires_grad_() for c in classes], [m.requires_grad_() for m in masks]


def label_maps(batch: int = 2) -> Tensor:
    blocks = torch.tensor([[0, 1, 255], [2, 2, 1]]).repeat(batch, 1, 1)
    return blocks.repeat_interleave(16, 1).repeat_interleave(16, 2)


def one_hot(labels_BHW: Tensor) -> Tensor:
    return torch.stack([labels_BHW == k for k in range(NUM_CLASSES)], dim=1).float()


def test_losses_equal_the_golden_vectors() -> None:
    with safe_open(GOLDEN, "pt") as file:
        expected = json.loads(file.metadata()["loss_mean_std"])
        classes = [file.get_tensor(f"cls{i}") for i in range(4)]
        masks = [file.get_tensor(f"mask{i}") for i in range(4)]
        labels = file.get_tensor("label")[:, 0]
    torch.manual_seed(0)
    loss = criterion(12544, num_classes=7)
    draws = [loss(classes, masks, labels) for _ in range(8)]
    assert set(draws[0]) == set(expected)
    for name, (mean, std) in expected.items():
        ours = torch.stack([terms[name] for terms in draws]).mean().item()
        assert abs(ours - mean) < max(4 * std, 0.01 * mean), name


def test_dice_equals_a_hand_computation() -> None:
    # sigmoid(0) = 1/2, sigmoid(log 3) = 3/4: overlap 1/2 + 3/4, sum of p 2, sum of t 2.
    logits = torch.tensor([[0.0, math.log(3.0), math.log(3.0)]])
    targets = torch.tensor([[1.0, 1.0, 0.0]])
    torch.testing.assert_close(dice_loss(logits, targets), torch.tensor([1 - (2 * 1.25 + 1) / (2 + 2 + 1)]))


def test_dice_of_empty_prediction_of_an_empty_mask_is_zero() -> None:
    torch.testing.assert_close(dice_loss(torch.full((1, 5), -50.0), torch.zeros(1, 5)), torch.zeros(1))


def test_matching_cost_equals_a_hand_computation() -> None:
    # One query, one point in the middle of a constant map: logit log 3, so p = 3/4.
    masks = torch.full((1, 1, 4, 4), math.log(3.0))
    classes = torch.zeros(1, 1, NUM_CLASSES + 1)
    targets = torch.tensor([1.0, 0.0, 0.25, 1.0])[None, :, None]
    cost = criterion().matching_costs(classes, masks, torch.full((1, 1, 2), 0.5), targets)[0, 0]
    for k, t in enumerate((1.0, 0.0, 0.25, 1.0)):
        bce = -(t * math.log(0.75) + (1 - t) * math.log(0.25))
        dice = 1 - (2 * 0.75 * t + 1) / (0.75 + t + 1)
        assert cost[k].item() == pytest.approx(5 * bce + 5 * dice - 2 * 0.2, abs=1e-5)


def test_labels_at_points_equal_sampled_masks() -> None:
    labels = torch.randint(0, NUM_CLASSES + 1, (3, 9, 14), generator=torch.Generator().manual_seed(0))
    points = torch.rand(3, 500, 2, generator=torch.Generator().manual_seed(1))
    points[:, 0], points[:, 1] = 0.0, 1 - 2**-24
    plain = sample_logits(one_hot(labels), points)
    torch.testing.assert_close(masks_at_points(labels, points, NUM_CLASSES), plain, atol=1e-5, rtol=0)
    image, label = torch.tensor([2, 0, 2]), torch.tensor([1, 3, 0])
    single = mask_at_points(labels, image, label, points)
    expected = torch.stack(
        [
            sample_logits(one_hot(labels[[i]])[:, [k]], p[None])[0, 0]
            for i, k, p in zip(image.tolist(), label.tolist(), points, strict=True)
        ]
    )
    torch.testing.assert_close(single, expected, atol=1e-5, rtol=0)


def test_matching_equals_the_plain_loop() -> None:
    classes, masks = draw()
    loss, labels = criterion(), label_maps()
    points = torch.rand(2, 256, 2, generator=torch.Generator().manual_seed(2))
    targets = masks_at_points(torch.where(labels == 255, NUM_CLASSES, labels), points, NUM_CLASSES)
    costs = torch.stack([loss.matching_costs(c, m, points, targets) for c, m in zip(classes, masks, strict=True)])
    present = [[0, 1, 2], [0, 1, 2]]
    image, query, label = loss._assign(costs.detach(), present)
    assert image.tolist() == [0, 0, 0, 1, 1, 1]
    for layer in range(3):
        for b in range(2):
            cost = torch.zeros(6, 3)
            for q in range(6):
                x = sample_logits(masks[layer][b : b + 1, q : q + 1], points[b : b + 1])[0, 0]
                for column, k in enumerate(present[b]):
                    t = sample_logits(one_hot(labels)[b : b + 1, k : k + 1], points[b : b + 1])[0, 0]
                    dice = 1 - (2 * (x.sigmoid() * t).sum() + 1) / (x.sigmoid().sum() + t.sum() + 1)
                    bce = F.binary_cross_entropy_with_logits(x, t)
                    prob = classes[layer][b, q].softmax(0)[k]
                    cost[q, column] = (5 * bce + 5 * dice - 2 * prob).detach()
            torch.testing.assert_close(costs[layer, b][:, present[b]].detach(), cost, atol=1e-4, rtol=1e-5)
            rows, columns = linear_sum_assignment(cost.numpy())
            assert query[layer, image == b].tolist() == rows.tolist()
            assert label[layer, image == b].tolist() == [present[b][c] for c in columns]


def test_losses_of_constant_masks_equal_a_hand_computation() -> None:
    # Constant logits make every point alike, so that the random draw does not matter; one class fills the image.
    mask = torch.full((1, 2, 128, 128), math.log(3.0))
    terms = criterion(64)([torch.zeros(1, 2, NUM_CLASSES + 1)], [mask], torch.full((1, 128, 128), 2))
    # The outer half of the border pixels fades to zero in mask and target, hence the tolerance.
    assert terms["loss_mask"].item() == pytest.approx(5 * -math.log(0.75), rel=0.1)
    assert terms["loss_dice"].item() == pytest.approx(5 * (1 - (2 * 48 + 1) / (48 + 64 + 1)), rel=0.1)
    # Two queries, equal logits: every cross entropy is log 5, whatever the weights.
    assert terms["loss_cls"].item() == pytest.approx(2 * math.log(5), rel=1e-5)


def test_no_object_weight_equals_a_hand_computation() -> None:
    # One matched query with its class at probability 1/2, one unmatched with "no object" at probability 1/4.
    probs = torch.tensor([[0.5, 0.125, 0.125, 0.125, 0.125], [0.5, 0.0833, 0.0833, 0.0834, 0.25]])
    mask = torch.stack([torch.full((8, 8), 20.0), torch.full((8, 8), -20.0)])[None]
    terms = criterion(64)([probs.log()[None]], [mask], torch.zeros(1, 32, 32, dtype=torch.long))
    expected = 2 * (1.0 * math.log(2) + 0.1 * math.log(4)) / 1.1
    assert terms["loss_cls"].item() == pytest.approx(expected, rel=1e-4)


def test_perfect_prediction_is_better_than_random() -> None:
    labels = label_maps()
    masks = torch.full((2, 6, 32, 48), -12.0)
    masks[:, :NUM_CLASSES] = one_hot(labels) * 24 - 12
    classes = torch.zeros(2, 6, NUM_CLASSES + 1)
    for query in range(6):
        classes[:, query, query if query in (0, 1, 2) else NUM_CLASSES] = 20.0
    torch.manual_seed(0)
    perfect = criterion()([classes], [masks], labels)
    random = criterion()([torch.randn_like(classes)], [torch.randn_like(masks)], labels)
    assert perfect["loss_cls"] < 1e-3
    # Uncertain points sit on the borders, where even a perfect mask is interpolated.
    assert perfect["loss_mask"] < 0.5 * random["loss_mask"]
    assert perfect["loss_dice"] < 0.5 * random["loss_dice"]


def test_permuting_classes_does_not_change_the_loss() -> None:
    classes, masks = draw()
    labels, order = label_maps(), torch.tensor([2, 0, 3, 1])
    # Class k becomes the position of k in `order`.
    renamed = torch.where(labels == 255, 255, torch.argsort(order)[labels.clamp(max=NUM_CLASSES - 1)])
    moved = [torch.cat([c[..., order], c[..., -1:]], dim=-1) for c in classes]
    torch.manual_seed(0)
    before = criterion(2048)(classes, masks, labels)
    torch.manual_seed(0)
    after = criterion(2048)(moved, masks, renamed)
    for name, value in before.items():
        # The masks are drawn in another order, so that their points differ.
        torch.testing.assert_close(after[name], value, rtol=1e-5 if "cls" in name else 0.05, atol=1e-5)


def test_terms_are_named_as_in_mmdetection() -> None:
    classes, masks = draw(predictions=3)
    names = set(criterion()(classes, masks, label_maps()))
    assert names == {f"{prefix}loss_{term}" for prefix in ("", "d0.", "d1.") for term in ("cls", "mask", "dice")}


def test_same_seed_same_loss() -> None:
    classes, masks = draw()
    values = []
    for _ in range(2):
        torch.manual_seed(3)
        values.append(criterion()(classes, masks, label_maps()))
    assert all(torch.equal(values[0][name], values[1][name]) for name in values[0])


def test_all_ignored_is_finite_and_reaches_every_prediction() -> None:
    classes, masks = draw()
    terms = criterion()(classes, masks, torch.full((2, 32, 48), 255))
    torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(value) for value in terms.values())
    assert all(terms[name] == 0 for name in terms if "mask" in name or "dice" in name)
    assert all(c.grad is not None and c.grad.any() for c in classes)
    assert all(m.grad is not None and not m.grad.any() for m in masks)


def test_one_target_in_one_of_two_images() -> None:
    classes, masks = draw()
    labels = torch.full((2, 32, 48), 255)
    labels[1, :4, :4] = 3
    terms = criterion()(classes, masks, labels)
    torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(value) and value > 0 for value in terms.values())
    # Only the matched query of the second image is pulled by the mask terms.
    assert all(m.grad is not None and not m.grad[0].any() for m in masks)
    assert all(m.grad is not None and m.grad[1].abs().sum((1, 2)).count_nonzero() == 1 for m in masks)


def test_more_classes_than_queries() -> None:
    classes, masks = draw(queries=2)
    terms = criterion()(classes, masks, label_maps())
    assert all(torch.isfinite(value) for value in terms.values())


def test_not_a_number_reaches_the_loss() -> None:
    classes, masks = draw()
    broken = [m.detach().clone() for m in masks]
    broken[-1][0] = float("nan")
    assert criterion()(classes, broken, label_maps())["loss_mask"].isnan()


def test_computes_in_float32_under_autocast() -> None:
    classes, masks = draw()
    half = [c.detach().bfloat16() for c in classes], [m.detach().bfloat16() for m in masks]
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = criterion()(*half, label_maps())
    torch.manual_seed(0)
    full = criterion()([c.float() for c in half[0]], [m.float() for m in half[1]], label_maps())
    assert all(low[name].dtype == torch.float32 and torch.equal(low[name], full[name]) for name in full)


def test_foreign_label_is_an_error() -> None:
    classes, masks = draw()
    labels = label_maps()
    labels[0, 0, 0] = NUM_CLASSES
    with pytest.raises(DataError, match=r"has the values \[4\]; allowed are 0 to 3 and 255"):
        criterion()(classes, masks, labels)
