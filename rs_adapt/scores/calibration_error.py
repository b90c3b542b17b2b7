"""The expected calibration error, from counts by confidence. Loads no torch.

Source: Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_adapt.runs.records import ConfidenceBin

# Digits of the stored percent.
_DIGITS = 3


def calibration_error_pct(bins: Sequence[ConfidenceBin]) -> float | None:
    """Return the distance of confidence and accuracy, averaged over the pixels, in percent; None without pixels."""
    pixels = sum(each.pixels for each in bins)
    if pixels <= 0:
        return None
    return round(100.0 * sum(abs(each.confidence - each.right) for each in bins) / pixels, _DIGITS)
