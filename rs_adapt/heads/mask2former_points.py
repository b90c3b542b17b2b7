"""Points of the mask losses: their draw, and the values of predicted masks and of label maps there.

Shapes: B images, K classes, P points, M matched masks, N sets of points, h/w grid of maps, H/W pixels of label maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.processes import generator, local_slice

# Below this sum of weights a mean is no longer divided by them, but goes to 0 with them.
LEAST_WEIGHT = 1e-3


def draw_points(num_masks: list[int], num_images: int, num_points: int, device: torch.device) -> Tensor:
    """Draw points (M, P, 2) for the masks of the global batch, and return those of this process's images."""
    points_MP2 = torch.rand(sum(num_masks), num_points, 2, device=device, generator=generator(device))
    if num_images == len(num_masks):
        return points_MP2
    ends = itertools.accumulate(num_masks)
    rows = [range(end - count, end) for count, end in zip(num_masks, ends, strict=True)]
    local_rows = [row for image in rows[local_slice(num_images)] for row in image]
    return points_MP2[torch.tensor(local_rows, dtype=torch.int64, device=device)]


def sample_logits(maps_NChw: Tensor, points_NP2: Tensor) -> Tensor:
    """Return the maps' values (N, C, P) at points (x, y) in [0, 1), bilinear, zero beyond the border."""
    grid_N1P2 = (2 * points_NP2 - 1)[:, None]
    return F.grid_sample(maps_NChw, grid_N1P2, align_corners=False)[:, :, 0]


def mask_at_points(labels_BHW: Tensor, image_N: Tensor, label_N: Tensor, points_NP2: Tensor) -> Tensor:
    """Return the value (N, P) of the masks `labels[image] == label` at points (x, y) in [0, 1), as `sample_logits`."""
    target_NP = torch.zeros(points_NP2.shape[:2], device=points_NP2.device)
    for corner_NP, weight_NP in _corners(labels_BHW, image_N, points_NP2):
        target_NP += weight_NP * (corner_NP == label_N[:, None])
    return target_NP


def masks_at_points(labels_BHW: Tensor, points_BP2: Tensor, num_classes: int) -> Tensor:
    """Return the values (B, K, P) of all classes' masks at points (x, y) in [0, 1) of each image."""
    images = torch.arange(len(labels_BHW), device=labels_BHW.device)
    # One more row than classes, for ignored labels and for points outside the image.
    target_BCP = torch.zeros(len(images), num_classes + 1, points_BP2.shape[1], device=points_BP2.device)
    for corner_BP, weight_BP in _corners(labels_BHW, images, points_BP2, outside=num_classes):
        target_BCP.scatter_add_(1, corner_BP[:, None].long(), weight_BP[:, None])
    return target_BCP[:, :num_classes]


def sort_in_reading_order(points_NP2: Tensor, rows: int) -> Tensor:
    """Return each set of points sorted by row of the grid, then by column: sampling reads memory in order."""
    x_NP, y_NP = points_NP2.unbind(-1)
    order_NP = ((y_NP * rows).floor() + x_NP).argsort(dim=1)
    return points_NP2.gather(1, order_NP[..., None].expand(-1, -1, 2))


def _corners(labels_BHW: Tensor, image_N: Tensor, points_NP2: Tensor, outside: int = -1) -> list[tuple[Tensor, Tensor]]:
    """Return (label, bilinear weight), both (N, P), of the four pixels around each point."""
    # A border of one pixel makes every corner a valid address.
    padded = F.pad(labels_BHW, (1, 1, 1, 1), value=outside)
    rows, columns = padded.shape[1:]
    # Numbers and not a tensor of them, which would be copied to the GPU while the host waits.
    xy = [axis_NP * size + 0.5 for axis_NP, size in zip(points_NP2.unbind(-1), (columns - 2, rows - 2), strict=True)]
    corners = [axis_NP.floor() for axis_NP in xy]
    right_NP, down_NP = (axis_NP - corner_NP for axis_NP, corner_NP in zip(xy, corners, strict=True))
    x_NP, y_NP = (corner_NP.long() for corner_NP in corners)
    address = ((image_N[:, None] * rows + y_NP) * columns + x_NP).flatten()
    flat = padded.flatten()
    left_NP, up_NP = 1 - right_NP, 1 - down_NP
    return [
        (flat.index_select(0, address + step).view_as(x_NP), weight_NP)
        for step, weight_NP in (
            (0, up_NP * left_NP),
            (1, up_NP * right_NP),
            (columns, down_NP * left_NP),
            (columns + 1, down_NP * right_NP),
        )
    ]


def labelled_at_points(labels_BHW: Tensor, image_N: Tensor, points_NP2: Tensor, ignored: int) -> Tensor:
    """Return the share (N, P) of an image's pixels around points, weighed as in `mask_at_points`, that are labelled.

    What is beyond the border has no share: a point there is as the pixels inside.

    Args:
        labels_BHW: Label maps.
        image_N: Image of each set of points.
        points_NP2: Points (x, y) in [0, 1).
        ignored: The label of pixels without label.
    """
    ignored_NP, inside_NP = (torch.zeros(points_NP2.shape[:2], device=points_NP2.device) for _ in range(2))
    for corner_NP, weight_NP in _corners(labels_BHW, image_N, points_NP2):
        ignored_NP += weight_NP * (corner_NP == ignored)
        inside_NP += weight_NP * (corner_NP >= 0)
    return (1 - ignored_NP / inside_NP).clamp_min(0)


def dice_loss(logits_MP: Tensor, targets_MP: Tensor, weights_MP: Tensor | None = None) -> Tensor:
    """Return the dice loss (M) `1 - (2 sum(p t) + 1) / (sum(w p) + sum(t) + 1)` with `p = sigmoid(logits)`.

    Args:
        logits_MP: Logits at points.
        targets_MP: Targets there, in [0, 1], at most the weight.
        weights_MP: Weights w of the points, in [0, 1]; None for 1.
    """
    p_MP = logits_MP.sigmoid()
    sum_M = (p_MP if weights_MP is None else p_MP * weights_MP).sum(1)
    return 1 - (2 * (p_MP * targets_MP).sum(1) + 1) / (sum_M + targets_MP.sum(1) + 1)


def sum_weights(weights_NP: Tensor) -> Tensor:
    """Return the sums (N) of the weights of points, as denominators."""
    return weights_NP.sum(1).clamp_min(LEAST_WEIGHT)


def claims_at_points(masks: Sequence[Tensor], points_BP2: Tensor, weights_BP: Tensor) -> Tensor:
    """Return the share (L, B, Q) of each predicted mask (B, Q, h, w) that lies on labelled pixels, from its points."""
    shares = []
    for mask_BQhw in masks:
        p_BQP = sample_logits(mask_BQhw, points_BP2).sigmoid_()
        shares.append((p_BQP @ weights_BP[..., None])[..., 0] / p_BQP.sum(-1).clamp_min(torch.finfo().tiny))
    return torch.stack(shares)
