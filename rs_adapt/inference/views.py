"""Prediction over several views of the same tiles: mirrored, turned or scaled, with the probabilities averaged.

Shapes: N tiles, K classes, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.config.execution import Tta

# From inputs (N, 3, H, W) to class probabilities (N, K, H, W), float32.
PredictInputs = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class View:
    """A way to show a tile to the model.

    Attributes:
        turns: Quarter turns.
        is_mirrored: Whether left and right are exchanged, before the turns.
        scale: Side of the view as a share of the tile's.
    """

    turns: int = 0
    is_mirrored: bool = False
    scale: float = 1.0

    def show(self, inputs_N3HW: Tensor, patch_px: int) -> Tensor:
        """Return the view of inputs; a scaled one has the sides that are the nearest multiples of the patch."""
        if self.scale != 1.0:
            sides = [max(patch_px, round(side * self.scale / patch_px) * patch_px) for side in inputs_N3HW.shape[-2:]]
            return F.interpolate(inputs_N3HW, sides, mode="bilinear", antialias=self.scale < 1)
        seen = inputs_N3HW.flip(-1) if self.is_mirrored else inputs_N3HW
        return torch.rot90(seen, self.turns, (-2, -1))

    def undo(self, values_NKHW: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Return the values of a view at the pixels of the tile, whose rows and columns are `size_hw`."""
        if self.scale != 1.0:
            return F.interpolate(values_NKHW, size_hw, mode="bilinear", antialias=self.scale > 1)
        turned = torch.rot90(values_NKHW, -self.turns, (-2, -1))
        return turned.flip(-1) if self.is_mirrored else turned

    def fitting(self, num_tiles: int) -> int:
        """Return how many tiles of this view have the pixels of `num_tiles` tiles; at least 1."""
        return max(1, int(num_tiles / max(1.0, self.scale**2)))


VIEWS: dict[Tta, tuple[View, ...]] = {
    "flips": (View(), View(is_mirrored=True), View(turns=2), View(turns=2, is_mirrored=True)),
    "d4": tuple(View(turns=turns, is_mirrored=mirrored) for mirrored in (False, True) for turns in range(4)),
    "scales": (View(scale=0.75), View(), View(scale=1.25)),
}


def predict_views(inputs_N3HW: Tensor, predict: PredictInputs, *, tta: Tta | None, patch_px: int) -> Tensor:
    """Return the class probabilities of inputs, averaged over the views.

    Views are predicted after each other, and enlarged ones in smaller batches, so that they need about as much memory
    as a single prediction of all inputs.

    Args:
        inputs_N3HW: Normalised images, float32.
        predict: The model.
        tta: "flips" (4 views: as it is, mirrored left to right, top to bottom, and both), "d4" (the 8 symmetries of the
            square), "scales" (3/4, 1 and 5/4 of the side, rounded to the patch), or None for the inputs alone.
        patch_px: Patch of the backbone; sides of scaled views are multiples of it.

    Returns:
        (N, K, H, W), float32.
    """
    if tta is None:
        return predict(inputs_N3HW)
    height, width = inputs_N3HW.shape[-2:]
    sums_NKHW: Tensor | None = None
    for view in VIEWS[tta]:
        parts = [
            view.undo(predict(view.show(part_N3HW, patch_px)), (height, width))
            for part_N3HW in torch.split(inputs_N3HW, view.fitting(len(inputs_N3HW)))
        ]
        values_NKHW = parts[0] if len(parts) == 1 else torch.cat(parts)
        sums_NKHW = values_NKHW if sums_NKHW is None else sums_NKHW.add_(values_NKHW)
    assert sums_NKHW is not None
    return sums_NKHW.div_(len(VIEWS[tta]))
