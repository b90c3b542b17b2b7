"""Ignored pixels in Mask2Former's loss: left out they say nothing; as background they say that no mask covers them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.config import compose, resolve_cell
from rs_adapt.errors import ConfigError
from rs_adapt.heads.mask2former_loss import Mask2FormerLoss
from rs_adapt.heads.mask2former_points import dice_loss, labelled_at_points

NUM_CLASSES, QUERIES = 3, 5
# On the grid of the masks, 8 x 12 for 32 x 48 px: the upper right third is ignored, and these cells have no share in
# any point that a labelled pixel is around.
INSIDE = (..., slice(0, 2), slice(10, 12))


def criterion(ignored_pixels: Any = "left_out") -> Mask2FormerLoss:
    weights = {"class_weight": 2.0, "mask_weight": 5.0, "dice_weight": 5.0, "no_object_weight": 0.1}
    return Mask2FormerLoss(
        num_classes=NUM_CLASSES,
        ignore_index=255,
        num_points=512,
        oversample_ratio=3.0,
        importance_ratio=0.75,
        ignored_pixels=ignored_pixels,
        **weights,
    )


def predictions() -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(2)
    classes = [torch.randn(2, QUERIES, NUM_CLASSES + 1, generator=generator) for _ in range(2)]
    masks = [torch.randn(2, QUERIES, 8, 12, generator=generator) for _ in range(2)]
    return [c.requires_grad_() for c in classes], [m.requires_grad_() for m in masks]


def label_maps(ignored: int = 255) -> Tensor:
    blocks = torch.tensor([[0, 1, ignored], [2, 2, 1]]).repeat(2, 1, 1)
    return blocks.repeat_interleave(16, 1).repeat_interleave(16, 2)


def losses(classes: list[Tensor], masks: list[Tensor], labels: Tensor, ignored_pixels: Any) -> dict[str, Tensor]:
    torch.manual_seed(0)
    terms: dict[str, Tensor] = criterion(ignored_pixels)(classes, masks, labels)
    return terms


def test_without_ignored_pixels_nothing_differs() -> None:
    terms = [losses(*predictions(), label_maps(0), how) for how in ("left_out", "background")]
    assert all(torch.equal(terms[0][name], terms[1][name]) for name in terms[1])


@pytest.mark.parametrize(("how", "pulled"), [("left_out", False), ("background", True)])
def test_masks_are_pulled_on_ignored_pixels_as_background_alone(how: str, pulled: bool) -> None:
    classes, masks = predictions()
    torch.stack(list(losses(classes, masks, label_maps(), how).values())).sum().backward()
    for mask in masks:
        assert mask.grad is not None
        assert bool(mask.grad[INSIDE].any()) == pulled
        assert mask.grad[..., 4:, :].any()


def test_what_is_predicted_on_ignored_pixels_changes_no_mask_term() -> None:
    classes, masks = predictions()
    others = [m.detach().clone() for m in masks]
    for mask in others:
        # Uncertain there, where the points would otherwise go.
        mask[INSIDE] = 0.0
    left_out = [losses(classes, each, label_maps(), "left_out") for each in (masks, others)]
    background = [losses(classes, each, label_maps(), "background") for each in (masks, others)]
    names = [name for name in left_out[0] if "cls" not in name]
    assert len(names) == 4
    assert all(torch.equal(left_out[0][name], left_out[1][name]) for name in names)
    assert not any(torch.equal(background[0][name], background[1][name]) for name in names)


def test_an_image_without_labels_teaches_nothing() -> None:
    classes, masks = predictions()
    labels = label_maps()
    labels[0] = 255
    terms = losses(classes, masks, labels, "left_out")
    torch.stack(list(terms.values())).sum().backward()
    for each in (*classes, *masks):
        assert each.grad is not None
        assert not each.grad[0].any()
        assert each.grad[1].any()
    nothing = losses(classes, masks, torch.full_like(labels, 255), "left_out")
    assert all(value == 0 for value in nothing.values())


def test_a_query_on_ignored_pixels_alone_may_be_anything() -> None:
    classes, masks = predictions()
    with torch.no_grad():
        for mask in masks:
            # Query 0 claims what is ignored, the others claim the rest.
            mask[:, 0], mask[:, 0, :2, 10:] = -40.0, 40.0
    for how, pulled in (("left_out", False), ("background", True)):
        grads = torch.autograd.grad(losses(classes, masks, label_maps(), how)["loss_cls"], classes[-1])[0]
        assert bool((grads[:, 0].abs() > 1e-9).all()) == pulled
        assert (grads[:, 1:].abs() > 1e-9).any()


def test_points_count_as_far_as_labels_are_around_them() -> None:
    labels = torch.tensor([[[0, 3], [1, 3]]])
    points = torch.tensor([[[0.25, 0.25], [0.75, 0.5], [0.5, 0.25], [0.375, 0.75]]])
    found = labelled_at_points(labels, torch.tensor([0]), points, 3)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0, 0.5, 0.75]]))


def test_weighted_terms_are_those_of_the_labelled_points() -> None:
    x, target = torch.randn(1, 8), torch.tensor([[1.0, 0.0] * 4])
    weight = torch.tensor([[1.0] * 4 + [0.0] * 4])
    masked = target * weight
    torch.testing.assert_close(dice_loss(x, masked, weight), dice_loss(x[:, :4], target[:, :4]))
    # The cost of a match, whose mask term is the mean over the labelled points.
    points = torch.rand(1, 8, 2)
    grid, logits = torch.randn(1, 1, 8, 8), torch.zeros(1, 1, 2)
    full = Mask2FormerLoss.matching_costs(criterion(), logits, grid, points, masked[:, None], weight)
    half = Mask2FormerLoss.matching_costs(criterion(), logits, grid, points[:, :4], target[:, None, :4])
    torch.testing.assert_close(full, half)
    # Half of a point's surroundings labelled, all of them true: half of that point's loss, target 1.
    y = torch.tensor(0.7)
    torch.testing.assert_close(
        0.5 * F.softplus(y) - y * 0.5, 0.5 * F.binary_cross_entropy_with_logits(y, torch.tensor(1.0))
    )


@pytest.mark.parametrize(("protocol", "how"), [("strict", "left_out"), ("paper", "background")])
def test_the_protocol_decides_unless_the_head_does(protocol: str, how: str) -> None:
    cfg = compose(resolve_cell("loveda-dg", protocol=protocol))
    assert cfg.model.decode_head.ignored_pixels == how
    stated = compose(
        resolve_cell("loveda-dg", protocol=protocol), overrides=["model.decode_head.ignored_pixels=background"]
    )
    assert stated.model.decode_head.ignored_pixels == "background"
    assert "ignored_pixels" not in compose(resolve_cell("loveda-dg", head="linear")).model.decode_head


def test_another_way_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ignored_pixels is 'void'\. Allowed: left_out, background"):
        criterion("void")
    with pytest.raises(ConfigError, match=r"protocol\.ignored_pixels is 'void'\. Allowed: left_out, background"):
        compose(resolve_cell("loveda-dg"), overrides=["protocol.ignored_pixels=void"])
