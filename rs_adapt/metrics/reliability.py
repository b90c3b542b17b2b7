"""Counts of pixels by confidence, from which the calibration error and the reliability diagram follow.

Shapes: K classes, H/W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rs_adapt.runs.records import ConfidenceBin, MeasuredReliability
from rs_adapt.scores.calibration_error import calibration_error_pct

NUM_BINS = 15
# Confidences are added up as whole numbers of this unit, so that the sum does not depend on the order of the pixels.
_UNITS = 2**24
_DIGITS = 4


def bins_of(confidence_N: Tensor) -> Tensor:
    """Return the range of each confidence (0 to 1), int64, 0 to `NUM_BINS` - 1; they are of equal width."""
    return (confidence_N * NUM_BINS).long().clamp_max(NUM_BINS - 1)


class ReliabilityCounter:
    """Counts labelled pixels, those that are right, and their confidences, in 15 ranges of confidence.

    Args:
        ignore_index: Label value of pixels that are not counted.
    """

    def __init__(self, *, ignore_index: int = 255) -> None:
        self._ignore_index = ignore_index
        # Pixels, right pixels and confidences of each bin.
        self._sums_3B = torch.zeros(3, NUM_BINS, dtype=torch.int64)
        self.num_tiles = 0

    def add(self, probabilities_KHW: Tensor, labels_HW: Tensor, truth_HW: Tensor) -> None:
        """Count a tile.

        Args:
            probabilities_KHW: Class probabilities, float32.
            labels_HW: The predicted classes.
            truth_HW: The true ones, on the same device.
        """
        is_counted_HW = truth_HW != self._ignore_index
        confidence_N = probabilities_KHW.amax(dim=0)[is_counted_HW].double()
        is_right_N = (labels_HW == truth_HW)[is_counted_HW]
        bin_N = bins_of(confidence_N)
        self._sums_3B[0] += torch.bincount(bin_N, minlength=NUM_BINS).cpu()
        self._sums_3B[1] += torch.bincount(bin_N[is_right_N], minlength=NUM_BINS).cpu()
        # Whole numbers in float64 are added without rounding up to 2^53: 2^29 pixels.
        units = torch.bincount(bin_N, weights=(confidence_N * _UNITS).round(), minlength=NUM_BINS)
        self._sums_3B[2] += units.long().cpu()
        self.num_tiles += 1

    def measured(self, split: str, *, temperature: float = 1.0) -> MeasuredReliability | None:
        """Return the counts of all tiles with their calibration error; None without a labelled pixel.

        Args:
            split: Region and split of the tiles.
            temperature: What logits were divided by.
        """
        bins = [
            ConfidenceBin(pixels=pixels, right=right, confidence=round(units / _UNITS, _DIGITS))
            for pixels, right, units in zip(*self._sums_3B.tolist(), strict=True)
        ]
        error_pct = calibration_error_pct(bins)
        if error_pct is None:
            return None
        return MeasuredReliability(
            split=split, tiles=self.num_tiles, temperature=temperature, ece_pct=error_pct, bins=bins
        )
