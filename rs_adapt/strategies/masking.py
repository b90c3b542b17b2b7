"""Masked image consistency: square blocks of an image are hidden, and the rest has to reveal their labels."""

from __future__ import annotations

from torch import Tensor

from rs_adapt.processes import rand
from rs_adapt.ranges import SHARE, SHARE_ABOVE_0, check_ranges


def mask_blocks(image_BCHW: Tensor, *, ratio: float, block_share: float) -> Tensor:
    """Set random square blocks of each image to zero, which is the mean colour of a normalised image.

    MIC (Hoyer et al., arXiv 2212.01322, equations 4 and 5): each block of a regular grid is hidden with probability
    `ratio`. Blocks are given as a share of the image's shorter side: 64 px of a crop of 512 px are 1/8. Draws come from
    torch's global generator of the CPU, so they do not depend on the device.

    Args:
        image_BCHW: Normalised images.
        ratio: Probability that a block is hidden, 0 to 1.
        block_share: Side of a block as a share of the shorter side of the image, above 0 and at most 1.

    Raises:
        ConfigError: A number is out of its range.
    """
    check_ranges("mask_blocks", ratio=(ratio, SHARE), block_share=(block_share, SHARE_ABOVE_0))
    batch, _, height, width = image_BCHW.shape
    side = max(1, round(block_share * min(height, width)))
    rows, columns = -(-height // side), -(-width // side)
    keep_B1hw = (rand(batch, 1, rows, columns) >= ratio).to(image_BCHW.device, image_BCHW.dtype, non_blocking=True)
    keep_B1HW = keep_B1hw.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)
    return image_BCHW * keep_B1HW[:, :, :height, :width]
