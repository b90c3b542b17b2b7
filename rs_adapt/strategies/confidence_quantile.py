"""The surest share of the labelled pixels, by a running distribution of their confidence.

Shapes: B batch, K classes, C bins of confidence, H/W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rs_adapt.processes import sum_over_ranks
from rs_adapt.ranges import COUNT, SHARE_ABOVE_0, SHARE_BELOW_1, check_ranges
from rs_adapt.strategies.running_mean import update_mean

# Bins are of equal width in log-odds, from 0.0025 (the surest of 255 classes has at least 0.004) to the largest float
# below 1: 0.0056 wide at a probability of 0.5, 0.002 at 0.9 and 0.0002 at 0.99, where teachers put most pixels.
_BINS = 1024
_LEAST, _MOST = -6.0, 17.0
# Whole units of a pixel: sums of whole numbers do not depend on their order, so that thresholds do not on the device.
_UNITS = 2**20


class ConfidenceQuantile(nn.Module):
    """A module that says which pixels belong to the surest share of the recent ones.

    A threshold such as 0.968 supposes a calibrated teacher that is sure of most pixels; a share supposes neither. The
    quantile is of a running distribution and not of the batch, so that a batch of hard images has fewer sure pixels
    than one of easy images.

    The pixels of a batch are counted by class and by bin of their confidence, over all processes, and the counts enter
    a running mean (`update_mean`) in which a batch weighs by its pixels. A pixel is sure from the bin on that holds the
    quantile, so at least the share is, and more by at most the pixels of one bin. While confidence rises, more than the
    share is sure, because the mean is some batches old. The counts are buffers, so a resumed run continues with them:
    K x 1024 numbers, 28 KiB for seven classes.

    Args:
        num_classes: K.
        share: Share of the labelled pixels that are sure, above 0 and at most 1.
        per_class: The share holds for the pixels of each class, not for all together: hard classes keep their labels.
        momentum: Largest share of the old value in the running mean, in [0, 1); 0.9 are about 10 batches.

    Raises:
        ConfigError: A value is out of range.
    """

    def __init__(self, *, num_classes: int, share: float, per_class: bool, momentum: float = 0.9) -> None:
        super().__init__()
        check_ranges(
            "ConfidenceQuantile",
            num_classes=(num_classes, COUNT),
            share=(share, SHARE_ABOVE_0),
            momentum=(momentum, SHARE_BELOW_1),
        )
        self.share = share
        self.per_class = per_class
        self.momentum = momentum
        self.counts_KC: Tensor
        self.batches: Tensor
        self.register_buffer("counts_KC", torch.zeros(num_classes, _BINS))
        self.register_buffer("batches", torch.zeros(()))

    @torch.no_grad()
    def forward(self, confidence_BHW: Tensor, label_BHW: Tensor, labelled_BHW: Tensor) -> Tensor:
        """Add a batch to the distribution, and return which of its pixels are sure, (B, H, W) bool.

        Args:
            confidence_BHW: Probability of each label, float in [0, 1].
            label_BHW: Int64 class indices.
            labelled_BHW: Bool, False where the label does not count.
        """
        bin_BHW = _bins_of(confidence_BHW)
        place_BHW = (label_BHW * _BINS + bin_BHW).where(labelled_BHW, 0)
        # Not `bincount` of the labelled pixels: the number of them would have to be known on the host.
        counts_N = torch.zeros(self.counts_KC.numel(), dtype=torch.int64, device=place_BHW.device)
        counts_N.scatter_add_(0, place_BHW.flatten(), labelled_BHW.flatten().long())
        counts_KC = sum_over_ranks(counts_N).view_as(self.counts_KC)
        update_mean(self.counts_KC, self.batches, counts_KC, seen=counts_KC.sum() > 0, momentum=self.momentum)
        counts_KC = self.counts_KC if self.per_class else self.counts_KC.sum(dim=0, keepdim=True)
        units_KC = (counts_KC.double() * _UNITS).round().long()
        # Pixels that are as sure as a bin, or surer.
        tail_KC = units_KC.flip(-1).cumsum(dim=-1).flip(-1)
        least_K = (tail_KC >= self.share * tail_KC[:, :1]).sum(dim=-1) - 1
        least_BHW = least_K[label_BHW] if self.per_class else least_K
        return (bin_BHW >= least_BHW) & labelled_BHW


def _bins_of(confidence_BHW: Tensor) -> Tensor:
    """Return the bin of each confidence, int64 from 0 to `_BINS` - 1."""
    log_odds_BHW = torch.logit(confidence_BHW.float()).clamp(_LEAST, _MOST)
    return ((log_odds_BHW - _LEAST) * (_BINS / (_MOST - _LEAST))).long().clamp_max(_BINS - 1)
