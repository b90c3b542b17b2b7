"""A running mean that begins as the mean of all batches and becomes an exponential one."""

from __future__ import annotations

from torch import Tensor


def update_mean(mean: Tensor, batches: Tensor, new: Tensor, *, seen: Tensor, momentum: float) -> None:
    """Add a batch to a running mean, in place: the n-th one with the weight `max(1 / n, 1 - momentum)`.

    No start value is left in the mean, and with a constant input it does not move.

    Args:
        mean: The mean, float; changed in place.
        batches: Numbers of batches so far, float, a scalar or of the shape of the mean; changed in place.
        new: The batch's values, of the shape of the mean.
        seen: Bool, of the shape of `batches`: where the batch has values.
        momentum: Largest share of the old value, in [0, 1).
    """
    batches += seen
    step = (1 / batches.clamp_min(1)).clamp_min(1 - momentum)
    mean.lerp_(new.to(mean.dtype), step * seen)
