"""Decode heads of mmsegmentation as parts of heads of this package: their layers, without their loss and prediction.

Their loss knows no pixel weights and divides by all pixels, their batch norm sees one process, and their drop-out draws
in each process for itself; here group norm and `ChannelDropout` stand in for these two.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

from torch import Tensor, nn

from rs_adapt.errors import ConfigError
from rs_adapt.processes import rand
from rs_adapt.ranges import COUNT, SHARE_BELOW_1, check_ranges
from rs_adapt.registry import quiet_libraries

# mmsegmentation prints a line about a package that it could not import.
with quiet_libraries(), redirect_stdout(io.StringIO()):
    from mmseg.models import decode_heads as heads

__all__ = ["ChannelDropout", "classify_as_before", "common_settings", "group_norm", "heads"]

GROUPS = 32
# Of a group; UPerNet norms maps of one cell, where a group of one number would be zero, and of two a sign.
LEAST_CHANNELS = 8


class ChannelDropout(nn.Module):
    """Set whole channels of maps (B, C, h, w) to zero in training, and scale the others by `1 / (1 - share)`.

    As `torch.nn.Dropout2d`, with draws for the whole batch: several processes drop what one would.

    Args:
        share: Probability that a channel of an image is dropped, 0 or larger and below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Return the maps with some channels dropped; in eval mode as they are."""
        if not self.training or not self.share:
            return x_BChw
        kept_BC = rand(x_BChw.shape[0], x_BChw.shape[1], device=x_BChw.device) >= self.share
        return x_BChw * (kept_BC[..., None, None] / (1 - self.share)).to(x_BChw.dtype)


def group_norm(head: str, channels: int) -> dict[str, Any]:
    """Return mmcv's settings of a group norm, which treats every image by itself: 32 groups, fewer below 256 channels.

    Raises:
        ConfigError: The channels cannot be divided into its groups.
    """
    check_ranges(head, channels=(channels, COUNT))
    groups = min(GROUPS, channels // LEAST_CHANNELS)
    if not groups or channels % groups or channels % LEAST_CHANNELS:
        raise ConfigError(
            f"{head} got channels={channels}; it must be a multiple of {LEAST_CHANNELS}, above "
            f"{GROUPS * LEAST_CHANNELS} of {GROUPS} (group norm)."
        )
    return {"type": "GN", "num_groups": groups}


def common_settings(num_classes: int) -> dict[str, Any]:
    """Return arguments of a head of mmsegmentation whose loss and drop-out are not used."""
    return {
        "num_classes": num_classes,
        # Stated, or mmsegmentation suggests one channel for two classes.
        "out_channels": num_classes,
        "dropout_ratio": 0,
        # Stated, or mmsegmentation warns of its default.
        "loss_decode": {"type": "mmseg.CrossEntropyLoss", "avg_non_ignore": True},
        "align_corners": False,
    }


def classify_as_before(net: Any, dropout: float, *, head: str) -> None:
    """Give a head of mmsegmentation its usual start value of the classifier, and a drop-out before it.

    Args:
        net: The head, with `conv_seg`.
        dropout: Share of channels that are dropped.
        head: Class to name in errors.

    Raises:
        ConfigError: The share is out of its range.
    """
    check_ranges(head, dropout=(dropout, SHARE_BELOW_1))
    nn.init.normal_(net.conv_seg.weight, std=0.01)
    nn.init.zeros_(net.conv_seg.bias)
    net.dropout = ChannelDropout(dropout)
