"""Counts of label values, and a count of iterations, that do not let the host wait for the GPU.

`torch.bincount`, `torch.unique` and an index by a mask have results whose size depends on values, which a GPU has to
finish computing first.

Shapes: B images, H/W pixels, K classes, V values of a label.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Labels are of 8 bits.
LABEL_VALUES = 256


def count_classes(labels: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Return the pixels of each class, int64 (K); pixels of `ignore_index` and of other values count nowhere.

    Args:
        labels: Integer labels of any shape.
        num_classes: K.
        ignore_index: The value of pixels without label.
    """
    label_P = labels.flatten()
    class_K1 = torch.arange(num_classes, device=label_P.device)[:, None]
    return ((label_P == class_K1) & (label_P != ignore_index)).sum(dim=1)


def present_values(labels_BHW: Tensor) -> Tensor:
    """Return which values the labels of each image have, bool (B, V) with V = 256.

    Args:
        labels_BHW: Integer labels, 0 to 255.
    """
    present_BV = torch.zeros(len(labels_BHW), LABEL_VALUES, dtype=torch.bool, device=labels_BHW.device)
    return present_BV.scatter_(1, labels_BHW.flatten(1).long(), True)


class HostCount:
    """Reads and raises a count in a buffer; only the first reading, and one after others wrote to it, is a wait.

    The buffer stays what a training state stores: a loaded state, or a copy of the module, is read from it.
    """

    def __init__(self) -> None:
        # The buffer, its version after our last write, and its value.
        self._seen: tuple[Tensor, int, int] | None = None

    def take(self, count: Tensor) -> int:
        """Return the value of an integer buffer of one element, and add 1 to the buffer."""
        seen = self._seen
        is_known = seen is not None and seen[0] is count and seen[1] == count._version
        value = seen[2] if seen is not None and is_known else int(count)
        count += 1
        self._seen = (count, count._version, value + 1)
        return value
